/* security: rights in force, and the self-test. */
#include <string.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view_json.h"

static void put_words(const json_t *list, const char *none, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	if (json_array_size(list) == 0)
		(void)bh_buf_str(out, none);
	json_array_foreach(list, i, one)
	{
		(void)bh_buf_printf(out, "%s%s", i ? ", " : "", json_string_value(one));
	}
}

static const char *yes(const json_t *role, const char *key)
{
	return json_is_true(json_object_get(role, key)) ? "yes" : "no";
}

static void put_role(const json_t *role, struct bh_buf *out)
{
	const json_t *landlock = json_object_get(role, "landlock"), *gap;
	size_t i;

	(void)bh_buf_printf(out, "%s: pid %lld, %s\n", bh_json_text(role, "name"),
	    (long long)bh_json_int(role, "pid"), bh_json_text(role, "state"));
	if (!landlock) {
		(void)bh_buf_str(out, "  has not been up yet\n\n");
		return;
	}
	(void)bh_buf_printf(out,
	    "  user %lld, group %lld; capabilities: ", (long long)bh_json_int(role, "uid"),
	    (long long)bh_json_int(role, "gid"));
	put_words(json_object_get(role, "capabilities"), "none", out);
	(void)bh_buf_str(out, "; bounding set: ");
	if (json_array_size(json_object_get(role, "bounding_set")) > 8)
		(void)bh_buf_str(out, "not reduced");
	else
		put_words(json_object_get(role, "bounding_set"), "none", out);
	(void)bh_buf_printf(out,
	    "\n  no_new_privs %s, seccomp %s, no core %s, network of its own %s\n",
	    yes(role, "no_new_privs"), bh_json_text(role, "seccomp"), yes(role, "no_core"),
	    yes(role, "own_network"));
	if (bh_json_int(landlock, "abi"))
		(void)bh_buf_printf(out, "  Landlock ABI %lld, %lld rules\n",
		    (long long)bh_json_int(landlock, "abi"),
		    (long long)bh_json_int(landlock, "rules"));
	json_array_foreach(json_object_get(role, "gaps"), i, gap)
	{
		(void)bh_buf_printf(
		    out, "  gap: %s: %s\n", bh_json_text(gap, "name"), bh_json_text(gap, "advice"));
	}
	(void)bh_buf_u8(out, '\n');
}

static void security_view(const json_t *answer, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	(void)bh_buf_printf(out, "hardening %s, %s\n\n", bh_json_text(answer, "hardening"),
	    json_is_true(json_object_get(answer, "own_users"))
		? "each process has a user of its own"
		: "one user for all processes");
	json_array_foreach(json_object_get(answer, "roles"), i, one)
	{
		put_role(one, out);
	}
	json_array_foreach(json_object_get(answer, "self_test"), i, one)
	{
		(void)bh_buf_printf(out, "%-10s %-16s %-8s %s\n", bh_json_text(one, "role"),
		    bh_json_text(one, "act"), bh_json_text(one, "result"),
		    bh_json_text(one, "detail"));
	}
	if (json_object_get(answer, "self_test"))
		(void)bh_buf_printf(out, "\nself-test %s\n",
		    json_is_true(json_object_get(answer, "self_test_passed"))
			? "passed: everything was refused"
			: "FAILED");
}

static int test_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "self_test_passed")) ? BH_CTL_DONE
									 : BH_CTL_WRONG;
}

int bh_ctl_run_security(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query show = {.name = "security", .view = security_view};
	static const struct bh_ctl_query test = {
	    .name = "security-test", .view = security_view, .verdict = test_verdict, .wait_s = 60};

	(void)command;
	return bh_ctl_ask_plain(o, o->self_test ? &test : &show, words);
}
