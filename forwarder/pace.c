#include "forwarder/pace.h"

#include "common/attrs.h"
#include "common/clock.h"

#define QUICK_NS   (8.0 * BH_NS_PER_MS)   /* more places would bring nothing to speak of */
#define SLOW_NS    (250.0 * BH_NS_PER_MS) /* a producer's window waits for answers */
#define ROUND_NS   (50.0 * BH_NS_PER_MS)  /* half a round, at least */
#define GAIN       1.2                    /* a step must bring so many times the bytes */
#define FULL_GAIN  1.7                    /* only latency is in the way */
#define REST_LO_NS (30 * BH_NS_PER_S)     /* before the next trial */
#define REST_HI_NS (960 * BH_NS_PER_S)
#define WEIGHT     0.064 /* of the newest answer in the mean */

void bh_pace_init(struct bh_pace *p, unsigned least, unsigned most)
{
	*p = (struct bh_pace){.least = least, .most = most, .slots = least, .rest_ns = REST_LO_NS};
}

static void begin(struct bh_pace *p, int64_t now_ns)
{
	p->begun_ns = now_ns;
	p->measured_ns = 0;
	p->answers = p->idle = 0;
	p->took_ns = 0;
	p->bytes = 0;
}

static void step_up(struct bh_pace *p, double rate, double took_ns)
{
	unsigned by = p->before && rate >= FULL_GAIN * p->rate_before ? 4 : 2;

	p->before = p->slots;
	p->rate_before = rate;
	p->took_before = took_ns;
	p->slots = BH_MIN(by * p->slots, p->most);
}

static void in_vain(struct bh_pace *p, unsigned slots, int64_t now_ns)
{
	p->slots = slots;
	p->before = 0;
	p->rest_until_ns = now_ns + p->rest_ns;
	p->rest_ns = BH_MIN(2 * p->rest_ns, REST_HI_NS);
}

/* All places were in use, and brought so many bytes/s. As many answers in the same time each would
 * have brought more: then there was less to send. */
static void judge(struct bh_pace *p, double rate, double took_ns, int64_t now_ns)
{
	bool gained = rate >= GAIN * p->rate_before;

	if (p->answer_ns < QUICK_NS) {
		p->slots = BH_MAX(p->slots / 2, p->least);
		p->before = 0;
	} else if (p->before && !gained && took_ns >= GAIN * p->took_before) {
		in_vain(p, p->before, now_ns);
	} else if ((!p->before || gained) && now_ns >= p->rest_until_ns && p->slots < p->most) {
		p->rest_ns = p->before ? REST_LO_NS : p->rest_ns;
		step_up(p, rate, took_ns);
	} else {
		p->before = 0;
	}
}

/* An answer that ends a part of the round. */
static void turn(struct bh_pace *p, int64_t now_ns)
{
	double half_ns = BH_MAX(p->answer_ns, ROUND_NS);

	if (p->measured_ns == 0) {
		if ((double)(now_ns - p->begun_ns) < half_ns)
			return;
		begin(p, p->begun_ns);
		p->measured_ns = now_ns;
		return;
	}
	if ((double)(now_ns - p->measured_ns) < half_ns)
		return;
	if (2 * p->idle <= p->answers)
		judge(p, (double)p->bytes / (double)(now_ns - p->measured_ns) * BH_NS_PER_S,
		    p->took_ns / p->answers, now_ns);
	begin(p, now_ns);
}

void bh_pace_filled(struct bh_pace *p, unsigned under_way)
{
	p->starving = under_way < p->slots;
}

void bh_pace_taken(struct bh_pace *p, int64_t sent_ns, int64_t now_ns, uint64_t bytes)
{
	double took = BH_MAX((double)now_ns - (double)sent_ns, 0.0);

	p->answer_ns += (p->answer_ns > 0 ? WEIGHT : 1) * (took - p->answer_ns);
	if (p->begun_ns == 0 || now_ns < p->begun_ns)
		begin(p, now_ns);
	p->answers++;
	p->took_ns += took;
	p->bytes += bytes;
	p->idle += p->starving;
	turn(p, now_ns);
}

void bh_pace_failed(struct bh_pace *p, int64_t now_ns)
{
	if (p->before)
		in_vain(p, p->least, now_ns);
	p->slots = p->least;
	p->answer_ns = 0;
	p->begun_ns = 0;
}

bool bh_pace_is_slow(const struct bh_pace *p)
{
	return p->answer_ns >= SLOW_NS;
}
