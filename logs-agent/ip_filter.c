#include "logs-agent/ip_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#define MAPPED_BITS 96
#define V4_BYTES    4

/* ::ffff:a.b.c.d is a.b.c.d. */
static void unmap(struct bh_ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!ip->v6 || memcmp(ip->b, mapped, sizeof(mapped)) != 0)
		return;
	memcpy(ip->b, ip->b + sizeof(mapped), V4_BYTES);
	memset(ip->b + V4_BYTES, 0, sizeof(ip->b) - V4_BYTES);
	ip->v6 = false;
}

bool bh_ip_from(const struct sockaddr_storage *sa, struct bh_ip *out)
{
	*out = (struct bh_ip){0};
	if (sa->ss_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, sa, sizeof(v4));
		memcpy(out->b, &v4.sin_addr, V4_BYTES);
	} else if (sa->ss_family == AF_INET6) {
		struct sockaddr_in6 v6;

		memcpy(&v6, sa, sizeof(v6));
		memcpy(out->b, &v6.sin6_addr, sizeof(out->b));
		out->v6 = true;
		unmap(out);
	} else {
		return false;
	}
	return true;
}

bool bh_ip_eq(const struct bh_ip *a, const struct bh_ip *b)
{
	return a->v6 == b->v6 && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void bh_ip_text(const struct bh_ip *ip, char out[BH_IP_TEXT])
{
	out[0] = '\0';
	(void)inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->b, out, BH_IP_TEXT);
}

static bool parse_bits(const char *text, unsigned max, unsigned *out)
{
	unsigned long bits;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	bits = strtoul(text, &end, 10);
	if (*end || bits > max)
		return false;
	*out = (unsigned)bits;
	return true;
}

bool bh_ip_prefix_parse(const char *text, struct bh_ip_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char address[BH_IP_TEXT];
	unsigned max;

	*out = (struct bh_ip_prefix){0};
	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	out->ip.v6 = memchr(address, ':', n) != NULL;
	if (inet_pton(out->ip.v6 ? AF_INET6 : AF_INET, address, out->ip.b) != 1)
		return false;
	max = out->ip.v6 ? 128 : 32;
	out->bits = max;
	if (slash && !parse_bits(slash + 1, max, &out->bits))
		return false;
	if (out->ip.v6 && out->bits >= MAPPED_BITS) {
		unmap(&out->ip);
		out->bits -= out->ip.v6 ? 0 : MAPPED_BITS;
	}
	return true;
}

static bool holds(const struct bh_ip_prefix *p, const struct bh_ip *ip)
{
	size_t whole = p->bits / 8;
	unsigned rest = p->bits % 8;

	if (p->ip.v6 != ip->v6 || memcmp(p->ip.b, ip->b, whole) != 0)
		return false;
	return rest == 0 || ((p->ip.b[whole] ^ ip->b[whole]) >> (8 - rest)) == 0;
}

static int make_list(struct bh_ip_list *l, const struct bh_strlist *texts)
{
	if (texts->n == 0)
		return 0;
	l->v = calloc(texts->n, sizeof(*l->v));
	if (!l->v)
		return -ENOMEM;
	for (; l->n < texts->n; l->n++) {
		if (!bh_ip_prefix_parse(texts->v[l->n], &l->v[l->n]))
			return BH_E_CONFIG;
	}
	return 0;
}

int bh_ip_filter_init(
    struct bh_ip_filter *f, const struct bh_strlist *allowed, const struct bh_strlist *denied)
{
	int rc;

	*f = (struct bh_ip_filter){0};
	rc = make_list(&f->allowed, allowed);
	if (!rc)
		rc = make_list(&f->denied, denied);
	if (rc)
		bh_ip_filter_release(f);
	return rc;
}

void bh_ip_filter_release(struct bh_ip_filter *f)
{
	free(f->allowed.v);
	free(f->denied.v);
	*f = (struct bh_ip_filter){0};
}

static bool any_holds(const struct bh_ip_list *l, const struct bh_ip *ip)
{
	for (size_t i = 0; i < l->n; i++) {
		if (holds(&l->v[i], ip))
			return true;
	}
	return false;
}

bool bh_ip_filter_admits(const struct bh_ip_filter *f, const struct bh_ip *ip)
{
	return (f->allowed.n == 0 || any_holds(&f->allowed, ip)) && !any_holds(&f->denied, ip);
}
