#include "logs-agent/inlet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "logs-agent/inlet_internal.h"

/* Descriptors kept free of connections beside the files: links, directories, listening sockets. */
#define OTHER_DESCRIPTORS  128
#define CONNECTIONS_AT_ALL 16

int64_t bh_inlet_now(void)
{
	return bh_mono_ns(&bh_clock_system);
}

/* --- ports --------------------------------------------------------------------------------------
 */

static void stop_waiting(struct bh_port *p)
{
	struct bh_inlets *all = p->all;

	if (!p->waits)
		return;
	*(p->prev ? &p->prev->next : &all->first) = p->next;
	*(p->next ? &p->next->prev : &all->last) = p->prev;
	p->prev = p->next = NULL;
	p->waits = false;
}

static void wait_for_credit(struct bh_port *p)
{
	struct bh_inlets *all = p->all;

	p->waits = true;
	p->prev = all->last;
	*(all->last ? &all->last->next : &all->first) = p;
	all->last = p;
	(void)bh_loop_mod_fd(&p->watch, 0);
}

static void on_event(struct bh_watch *w, unsigned events)
{
	struct bh_port *p = BH_CONTAINER(w, struct bh_port, watch);

	(void)events;
	if (p->waits)
		bh_loop_del_fd(w); /* a hang-up, which would be told again and again */
	else if (bh_logs_may_read(p->all->logs))
		p->read(p);
	else
		wait_for_credit(p);
}

int bh_port_open(struct bh_port *p, struct bh_inlets *all, int fd, void (*read)(struct bh_port *))
{
	int rc;

	*p = (struct bh_port){.watch = {.fd = -1}, .fd = -1, .all = all, .read = read};
	rc = bh_loop_add_fd(&all->logs->child->loop, &p->watch, fd, BH_LOOP_READ, on_event);
	if (!rc)
		p->fd = fd;
	return rc;
}

void bh_port_close(struct bh_port *p)
{
	if (p->fd < 0)
		return;
	stop_waiting(p);
	bh_loop_del_fd(&p->watch);
	(void)close(p->fd);
	p->fd = -1;
}

void bh_port_pause(struct bh_port *p)
{
	stop_waiting(p);
	bh_loop_del_fd(&p->watch);
}

static int watch_again(struct bh_port *p)
{
	if (p->watch.fd >= 0)
		return bh_loop_mod_fd(&p->watch, BH_LOOP_READ);
	return bh_loop_add_fd(&p->all->logs->child->loop, &p->watch, p->fd, BH_LOOP_READ, on_event);
}

void bh_inlets_resume(struct bh_inlets *all)
{
	while (all && all->first && !all->draining && bh_logs_may_read(all->logs)) {
		struct bh_port *p = all->first;

		stop_waiting(p);
		if (watch_again(p)) {
			wait_for_credit(
			    p); /* the kernel is short of memory: with the next credit */
			return;
		}
		p->read(p);
	}
}

bool bh_inlets_go_first(struct bh_inlets *all)
{
	all->files_next = !all->files_next;
	return all->files_next;
}

/* --- lanes --------------------------------------------------------------------------------------
 */

int bh_inlet_lane(struct bh_inlet *in, struct bh_lane *lane, const struct bh_ip *from)
{
	struct bh_inlets *all = in->all;
	int rc = bh_lane_init(lane, all->logs, in->source, &in->names, from);

	if (rc)
		return rc;
	lane->last_ns = bh_inlet_now();
	lane->next = all->lanes;
	if (all->lanes)
		all->lanes->prev = lane;
	all->lanes = lane;
	return 0;
}

void bh_inlet_lane_end(struct bh_inlets *all, struct bh_lane *lane)
{
	*(lane->prev ? &lane->prev->next : &all->lanes) = lane->next;
	if (lane->next)
		lane->next->prev = lane->prev;
	bh_lane_release(lane);
}

void bh_inlet_flush(struct bh_lane *lane)
{
	int rc = bh_lane_flush(lane);

	if (rc)
		bh_lane_reset(lane, rc);
}

static int64_t held_ns(const struct bh_inlets *all)
{
	return all->logs->child->config.logs_aggregation_timeout_ms * BH_NS_PER_MS;
}

/* Groups that are held become messages aggregation_timeout after their last line (§7.1). */
static void on_held(struct bh_timer *t)
{
	struct bh_inlets *all = BH_CONTAINER(t, struct bh_inlets, held);
	int64_t now = bh_inlet_now(), next = INT64_MAX;

	for (struct bh_lane *lane = all->lanes; lane; lane = lane->next) {
		int64_t due = lane->last_ns + held_ns(all);

		if (!bh_lane_holds(lane))
			continue;
		if (due > now)
			next = BH_MIN(next, due);
		else
			bh_inlet_flush(lane);
	}
	if (next != INT64_MAX)
		bh_timer_at(&all->logs->child->loop, t, next, on_held);
}

void bh_inlet_fed(struct bh_inlets *all, struct bh_lane *lane)
{
	if (bh_lane_holds(lane) && !all->draining && !bh_timer_armed(&all->held))
		bh_timer_in(&all->logs->child->loop, &all->held, held_ns(all), on_held);
}

/* --- sources ------------------------------------------------------------------------------------
 */

int bh_inlet_init(struct bh_inlet *in, struct bh_inlets *all, struct bh_source *source)
{
	*in = (struct bh_inlet){.all = all, .source = source};
	bh_ends_cache_init(&in->names, all->logs->child->config.hostname, source->cfg);
	return bh_ip_filter_init(&in->filter, &source->cfg->allowed_ips, &source->cfg->denied_ips);
}

void bh_inlet_release(struct bh_inlet *in)
{
	bh_ip_filter_release(&in->filter);
	bh_ends_cache_release(&in->names);
}

/* Takes the descriptor of a source out of what the supervisor gave; -1: there is none. */
static int take_fd(struct bh_child *child, const struct bh_log_source *source)
{
	char name[64];

	if (source->port)
		(void)snprintf(
		    name, sizeof(name), "logs-%.16s:%" PRIu16, source->type, source->port);
	else
		(void)snprintf(name, sizeof(name), "logs-%.16s:%.32s", source->type, source->path);
	for (size_t i = 0; i < child->fds_n; i++) {
		struct bh_child_fd *f = &child->fds[i];

		if (f->fd >= 0 && strcmp(f->name, name) == 0) {
			int fd = f->fd;

			f->fd = -1;
			return fd;
		}
	}
	return -1;
}

static void refuse(struct bh_inlets *all, struct bh_source *s, const char *why)
{
	s->runs = false;
	if (s->cfg->port)
		(void)snprintf(s->note, sizeof(s->note),
		    "Error: %s port %" PRIu16 " is not read: %s", s->cfg->type, s->cfg->port, why);
	else
		(void)snprintf(
		    s->note, sizeof(s->note), "Error: %s is not read: %s", s->cfg->path, why);
	bh_error(&all->logs->child->log, BH_INLET, "%s: %s", s->cfg->where, s->note);
}

static int unless_refused(struct bh_inlets *all, struct bh_source *s, int rc)
{
	if (rc != BH_E_CONFIG)
		return rc;
	refuse(all, s, "allowed_ips or denied_ips is not understood");
	return 0;
}

static int add(struct bh_inlets *all, struct bh_source *s)
{
	bool udp = s->type == BH_SOURCE_UDP, run = s->type == BH_SOURCE_RUN;
	int fd, rc;

	if (!s->runs || (!udp && !run && s->type != BH_SOURCE_TCP))
		return 0;
	fd = take_fd(all->logs->child, s->cfg);
	if (fd < 0) {
		refuse(all, s, "it could not be opened, see the notes of the supervisor");
		return 0;
	}
	rc = udp ? bh_udp_add(all, s, fd) : bh_tcp_add(all, s, fd, run);
	return unless_refused(all, s, rc);
}

/* As many as the descriptors that files leave allow. */
static unsigned most_connections(const struct bh_config *cfg)
{
	struct rlimit r;
	rlim_t kept = (rlim_t)cfg->logs_open_files_limit + OTHER_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= kept + BH_CONNECTIONS_MAX)
		return BH_CONNECTIONS_MAX;
	return r.rlim_cur > kept + CONNECTIONS_AT_ALL ? (unsigned)(r.rlim_cur - kept)
						      : CONNECTIONS_AT_ALL;
}

int bh_inlets_new(struct bh_inlets **out, struct bh_logs *l)
{
	const struct bh_config *cfg = &l->child->config;
	struct bh_inlets *all = calloc(1, sizeof(*all));
	int rc = 0;

	*out = all;
	if (!all)
		return -ENOMEM;
	all->logs = l;
	all->connections_max = most_connections(cfg);
	all->buffer_size = (size_t)cfg->logs_frame_size;
	all->buffer = malloc(all->buffer_size);
	if (!all->buffer)
		return -ENOMEM;
	for (size_t i = 0; i < l->sources_n && !rc; i++)
		rc = add(all, l->sources[i]);
	return rc;
}

void bh_inlets_free(struct bh_inlets *all)
{
	if (!all)
		return;
	bh_timer_cancel(&all->held);
	bh_tcp_free(all);
	bh_udp_free(all);
	free(all->buffer);
	free(all);
}

void bh_inlets_start(struct bh_inlets *all)
{
	bh_tcp_start(all);
	bh_udp_start(all);
}

/* --- the end ------------------------------------------------------------------------------------
 */

bool bh_inlet_has_room(const struct bh_inlets *all)
{
	return all->logs->queue_n < BH_QUEUE_MAX && all->logs->child->exit_code == 0;
}

bool bh_inlets_drain(struct bh_inlets *all)
{
	if (!all->draining) {
		all->draining = true;
		bh_timer_cancel(&all->held);
		bh_tcp_stop(all);
		bh_udp_stop(all);
	}
	return bh_tcp_drain(all) && bh_udp_drain(all);
}

bool bh_inlets_has(const struct bh_inlets *all, const struct bh_source *source)
{
	return bh_tcp_has(all, source) || bh_udp_has(all, source);
}

void bh_inlets_leave(struct bh_inlets *all, struct bh_source *source, struct bh_source *heir)
{
	bool tcp = source->type == BH_SOURCE_TCP;
	struct bh_source *next = heir && heir->runs ? heir : NULL;
	int rc;

	if (!bh_inlets_has(all, source))
		return;
	source->busy = true;
	rc = tcp ? bh_tcp_leave(all, source, next) : bh_udp_leave(all, source, next);
	if (rc && next)
		rc = unless_refused(all, next, rc);
	if (rc)
		bh_child_fail(all->logs->child, BH_EXIT_INTERNAL);
	bh_inlets_go_on_leaving(all);
}

void bh_inlets_go_on_leaving(struct bh_inlets *all)
{
	if (all->draining)
		return; /* the drain takes them with the others */
	bh_tcp_go_on_leaving(all);
	bh_udp_go_on_leaving(all);
}

void bh_inlets_stats(struct bh_inlets *all)
{
	struct bh_child *c = all->logs->child;

	bh_udp_update_drops(all);
	if (all->tcp) {
		bh_child_stat_number(c, "sockets.connections", all->connections);
		bh_child_stat_number(c, "sockets.accepted", all->accepted);
		bh_child_stat_number(c, "sockets.rejected", all->rejected);
		bh_child_stat_number(c, "sockets.resets", all->resets);
	}
	if (all->udp) {
		bh_child_stat_number(c, "sockets.udp_datagrams", all->datagrams);
		bh_child_stat_number(c, "sockets.udp_rejected", all->udp_rejected);
		bh_child_stat_number(c, "sockets.udp_truncated", all->udp_truncated);
		bh_child_stat_number(c, "sockets.udp_kernel_drops", all->udp_kernel_drops);
	}
	if (all->read_errors)
		bh_child_stat_number(c, "sockets.read_errors", all->read_errors);
}
