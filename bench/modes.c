/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "modes.h"

#include <math.h>
#include <string.h>

#define SETTLE        (10 * METER_SECOND) /* for resends to come */
#define DRAIN         (120 * METER_SECOND)
#define WARMUP        0.2 /* of the measured time */
#define WARMUP_PUSHES 64

/* The server as it is at one moment; NAN where it cannot be seen. */
struct state {
	int64_t now; /* ns */
	double cpu;  /* ns */
	double rss;  /* bytes */
	uint64_t ok; /* answers so far */
};

static void
state_take(struct state *s, const struct mode_options *o, struct load *l)
{
	int64_t cpu = o->pid == 0 ? -1 : meter_cpu(o->pid);
	int64_t rss = o->pid == 0 ? -1 : meter_rss(o->pid);

	s->now = meter_now();
	s->cpu = cpu == -1 ? NAN : (double)cpu;
	s->rss = rss == -1 ? NAN : (double)rss;
	s->ok = load_ledger(l)->answers[ANSWER_OK];
}

/* Microseconds of CPU for each of COUNT things done between two states. */
static double
cpu_each(const struct state *a, const struct state *b, double count)
{
	return (b->cpu - a->cpu) / 1e3 / count;
}

static double
rss_each(const struct state *a, const struct state *b, double count)
{
	return (b->rss - a->rss) / count;
}

static double
per_second(const struct state *a, const struct state *b, double count)
{
	return count * (double)METER_SECOND / (double)(b->now - a->now);
}

/* NAMES are those of the median, the 99th and the 99.9th percentile. */
static void
report_latency(struct report *r, struct samples *s, const char *const names[3])
{
	static const double fraction[3] = { 0.5, 0.99, 0.999 };
	int64_t ns;
	int i;

	for (i = 0; i < 3; i++) {
		ns = samples_percentile(s, fraction[i]);
		report_add(r, names[i], ns == -1 ? NAN : (double)ns / 1e3);
	}
}

static void
report_answered(struct report *r, struct load *l)
{
	static const char *const names[3] = { "answer_p50_us", "answer_p99_us",
		"answer_p999_us" };

	report_latency(r, load_answered(l), names);
}

static void
report_received(struct report *r, struct load *l)
{
	static const char *const names[3] = { "receive_p50_us",
		"receive_p99_us", "receive_p999_us" };

	report_latency(r, load_received(l), names);
}

/* Report what went wrong; false when a server must not do that. */
static bool
report_verdict(struct report *r, struct load *l)
{
	const struct ledger *a = load_ledger(l);
	uint64_t misordered = load_misordered(l);

	load_settle(l, SETTLE);
	report_add(r, "answered_ok", (double)a->answers[ANSWER_OK]);
	report_add(r, "answered_online", (double)a->answers[ANSWER_ONLINE]);
	report_add(r, "answered_offline", (double)a->answers[ANSWER_OFFLINE]);
	report_add(r, "refused", (double)a->answers[ANSWER_NO]);
	report_add(r, "received", (double)a->received);
	report_add(r, "lost", (double)a->missing);
	report_add(r, "duplicates", (double)a->duplicates);
	report_add(r, "misordered", (double)misordered);
	report_add(r, "misdelivered", (double)a->misdelivered);
	report_add(r, "ok_before_received", (double)a->early);
	report_add(r, "foreign", (double)load_foreign(l));
	return a->answers[ANSWER_NO] + a->missing + misordered +
		   a->misdelivered + a->early ==
	       0;
}

/* Warm up, measure for the time given, report what each push cost. */
static void
mode_measure(const struct mode_options *o, struct report *r, struct load *l,
    double rate)
{
	struct load_plan plan = { .count = o->devices, .rate = rate };
	struct load_result result;
	struct state before, after;

	plan.time = (int64_t)(o->seconds * WARMUP * (double)METER_SECOND);
	load_run(l, &plan, &result);
	samples_clear(load_received(l));
	samples_clear(load_answered(l));
	plan.time = (int64_t)(o->seconds * (double)METER_SECOND);
	state_take(&before, o, l);
	load_run(l, &plan, &result);
	state_take(&after, o, l);

	report_add(r, "devices", o->devices);
	report_add(r, "publishers", (double)o->target.publishers);
	report_add(r, "pushes_per_s",
	    per_second(&before, &after, (double)result.pushes));
	report_add(r, "server_cpu_us_per_ok",
	    cpu_each(&before, &after, (double)(after.ok - before.ok)));
	report_add(r, "bench_cpu_us_per_push",
	    (double)result.own_cpu / 1e3 / (double)result.pushes);
	report_answered(r, l);
}

static bool
mode_throughput(const struct mode_options *o, struct report *r)
{
	struct load *l = load_new(&o->target, o->devices);
	bool sound;

	load_login(l, 0, o->devices);
	mode_measure(o, r, l, 0);
	sound = report_verdict(r, l);
	load_free(&l);
	return sound;
}

static bool
mode_latency(const struct mode_options *o, struct report *r)
{
	struct load *l = load_new(&o->target, o->devices);
	bool sound;

	load_login(l, 0, o->devices);
	report_add(r, "rate_per_s", o->rate);
	mode_measure(o, r, l, o->rate);
	report_received(r, l);
	sound = report_verdict(r, l);
	load_free(&l);
	return sound;
}

/* Without devices there is nothing that could be lost. */
static bool
mode_http(const struct mode_options *o, struct report *r)
{
	struct load *l = load_new(&o->target, o->devices);
	uint64_t refused;

	mode_measure(o, r, l, 0);
	refused = load_ledger(l)->answers[ANSWER_NO];
	report_add(r, "refused", (double)refused);
	load_free(&l);
	return refused == 0;
}

static bool
mode_idle(const struct mode_options *o, struct report *r)
{
	struct load *l = load_new(&o->target, o->devices + 1);
	struct load_plan plan = { .first = o->devices,
		.count = 1,
		.pushes = WARMUP_PUSHES };
	struct load_result result;
	struct state before, idle, used;
	bool sound;

	load_login(l, o->devices, 1);
	load_run(l, &plan, &result);
	state_take(&before, o, l);
	load_login(l, 0, o->devices);
	state_take(&idle, o, l);
	plan = (struct load_plan){ .count = o->devices, .pushes = o->devices };
	load_run(l, &plan, &result);
	state_take(&used, o, l);

	report_add(r, "devices", o->devices);
	report_add(r, "logins_per_s", per_second(&before, &idle, o->devices));
	report_add(r, "server_cpu_us_per_login",
	    cpu_each(&before, &idle, o->devices));
	report_add(r, "bytes_per_idle_device",
	    rss_each(&before, &idle, o->devices));
	report_add(r, "bytes_per_used_device",
	    rss_each(&before, &used, o->devices));
	sound = report_verdict(r, l);
	load_free(&l);
	return sound;
}

/* Queue messages for the device numbered FIRST, which is not connected. */
static void
backlog_fill(const struct mode_options *o, struct report *r, struct load *l,
    uint32_t first)
{
	struct load_plan plan = { .first = first,
		.count = 1,
		.pushes = WARMUP_PUSHES };
	struct load_result result;
	struct state before, after;

	load_register(l, first, 1);
	load_run(l, &plan, &result);
	plan.pushes = o->count;
	state_take(&before, o, l);
	load_run(l, &plan, &result);
	state_take(&after, o, l);
	report_add(r, "queued", o->count);
	report_add(r, "queued_per_s", per_second(&before, &after, o->count));
	report_add(r, "server_cpu_us_per_queued",
	    cpu_each(&before, &after, o->count));
	report_add(r, "bytes_per_queued", rss_each(&before, &after, o->count));
}

/* An `ok` for one more message: all confirmations before it were read. */
static void
backlog_confirmed(struct load *l)
{
	const struct load_plan plan = { .count = 1, .pushes = 1 };
	struct load_result result;

	load_run(l, &plan, &result);
}

static bool
mode_backlog(const struct mode_options *o, struct report *r)
{
	struct load *l = load_new(&o->target, 1);
	double count = (double)o->count + WARMUP_PUSHES;
	struct state before, received, confirmed;
	int64_t own;
	bool sound;

	report_add(r, "message_bytes", (double)o->target.size);
	backlog_fill(o, r, l, 0);
	own = meter_cpu(0);
	state_take(&before, o, l);
	load_login(l, 0, 1);
	load_settle(l, DRAIN);
	state_take(&received, o, l);
	backlog_confirmed(l);
	state_take(&confirmed, o, l);
	own = meter_cpu(0) - own;

	report_add(r, "drained_per_s", per_second(&before, &confirmed, count));
	report_add(r, "received_per_s", per_second(&before, &received, count));
	report_add(r, "server_cpu_us_per_drained",
	    cpu_each(&before, &confirmed, count));
	report_add(r, "bench_cpu_us_per_drained", (double)own / 1e3 / count);

	/* What comes again at the next login was confirmed in vain. */
	load_logout(l, 0, 1);
	load_login(l, 0, 1);
	backlog_confirmed(l);
	sound = report_verdict(r, l);
	load_free(&l);
	return sound;
}

static bool
mode_registered(const struct mode_options *o, struct report *r)
{
	struct load *l =
	    load_new(&o->target, o->count > o->devices ? o->count : o->devices);
	struct state before, after;
	bool sound;

	load_register(l, 0, 1);
	state_take(&before, o, l);
	load_register(l, 0, o->count);
	state_take(&after, o, l);
	report_add(r, "registered", o->count);
	report_add(r, "registered_per_s",
	    per_second(&before, &after, o->count));
	report_add(r, "bytes_per_registered",
	    rss_each(&before, &after, o->count));
	load_login(l, 0, o->devices);
	mode_measure(o, r, l, 0);
	sound = report_verdict(r, l);
	load_free(&l);
	return sound;
}

/* Leaves the queue as it is, so that a later run can measure beside it. */
static bool
mode_queued(const struct mode_options *o, struct report *r)
{
	struct load *l = load_new(&o->target, o->devices + 1);
	uint64_t refused;
	bool sound;

	backlog_fill(o, r, l, o->devices);
	refused = load_ledger(l)->answers[ANSWER_NO];
	load_reset(l);
	load_login(l, 0, o->devices);
	mode_measure(o, r, l, 0);
	sound = report_verdict(r, l) && refused == 0;
	load_free(&l);
	return sound;
}

const struct mode mode_table[] = {
	{ "throughput", "closed loop: pushes/s, CPU a push, time to the answer",
	    64, 0, mode_throughput },
	{ "latency", "fixed rate: time to the device and to the answer", 64, 0,
	    mode_latency },
	{ "http", "closed loop without devices: the requests alone", 64, 0,
	    mode_http },
	{ "idle", "memory of each of many logged-in devices", 10000, 0,
	    mode_idle },
	{ "backlog", "messages for a device that is away, then its login", 0,
	    200000, mode_backlog },
	{ "registered", "throughput beside many registered devices", 10, 100000,
	    mode_registered },
	{ "queued", "throughput beside a long queue of another device", 10,
	    10000, mode_queued },
	{ 0 },
};

const struct mode *
mode_find(const char *name)
{
	const struct mode *m;

	for (m = mode_table; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}
