/* spec/logs.md §13.3. */
#include <criterion/criterion.h>

#include "logs-agent/container_path.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(container_path, tags_of_paths)
{
	static const char *const rows[][2] = {
	    {"/var/lib/docker/containers/" ID "/" ID "-json.log", ",container_id:" ID},
	    {"/var/lib/docker/containers/" ID "/" ID "-json.log.1", ",container_id:" ID},
	    {"/data/docker/containers/ab12/ab12-json.log", ",container_id:ab12"},
	    {"/var/lib/docker/containers/ab12/ab13-json.log", ""},
	    {"/var/lib/docker/containers/ab12/ab12.log", ""},
	    {"/var/lib/docker/others/ab12/ab12-json.log", ""},
	    {"/var/lib/containers/storage/overlay-containers/" ID "/userdata/ctr.log",
		",container_id:" ID},
	    {"/home/u/.local/share/containers/storage/overlay-containers/ab/userdata/ctr.log",
		",container_id:ab"},
	    {"/x/overlay-containers/ab/userdata/other.log", ""},
	    {"/var/log/pods/ns-1_web-0_c0ffee-11/nginx/0.log",
		",kube_namespace:ns-1,pod_name:web-0,kube_container_name:nginx"},
	    {"/var/log/pods/kube-system_a.b_77/c/12.log.20240102-030405",
		",kube_namespace:kube-system,pod_name:a.b,kube_container_name:c"},
	    {"/var/log/pods/ns_web/nginx/0.log", ""},
	    {"/var/log/pods/ns_web_a_b/nginx/0.log", ""},
	    {"/var/log/pods/_web_u/nginx/0.log", ""},
	    {"/var/log/pods/ns_we,b_u/nginx/0.log", ""},
	    {"/var/log/pods/ns_web_u/0.log", ""},
	    {"/var/log/containers/web-0_ns-1_my-nginx-" ID ".log",
		",kube_namespace:ns-1,pod_name:web-0,kube_container_name:my-nginx"},
	    {"/var/log/containers/web-0_ns-1_nginx.log", ""},
	    {"/var/log/containers/web-0.log", ""},
	    {"/srv/containers/web-0_ns-1_nginx-1.log", ""},
	    {"/var/log/app.log", ""},
	    {"app.log", ""},
	    {"", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_buf out = BH_BUF_INIT;

		(void)bh_buf_str(&out, "d");
		cr_expect_eq(bh_container_tags(&out, bh_str_from(rows[i][0])), 0);
		cr_expect_str_eq(out.data + 1, rows[i][1], "%s", rows[i][0]);
		bh_buf_release(&out);
	}
}
