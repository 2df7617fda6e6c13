/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "metrics_page.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "metrics.h"
#include "watch.h"

#define PAGE_FDS_MAX 10000 /* connections; with more their number is used */

enum page_kind {
	PAGE_COUNTER,
	PAGE_GAUGE,
};

/* One metric: its cells, and the values of its labels, the last runs fastest. */
struct page_metric {
	const char *name, *help;
	enum metrics_cell cell;
	enum page_kind kind;
	const char *label[2];
	const char *const *values[2];
	unsigned int count[2]; /* 0: there is no such label */
	unsigned int skip;     /* values at the start that are none */
};

static const char *const answers[METRICS_ANSWERS] = { "ok", "online", "offline",
	"no" };
static const char *const priorities[METRICS_PRIORITIES] = { "none", "1", "2",
	"3", "4", "5" };
static const char *const kinds[2] = { "http", "websocket" };
static const char *const whys[METRICS_WHY_COUNT] = {
#define PAGE_WHY(symbol, name) name,
	METRICS_WHYS(PAGE_WHY)
#undef PAGE_WHY
};

/* clang-format off */
static const struct page_metric page_metrics[] = {
	{ "mpushd_pushes_total",
	    "Pushes, for each device that they were for, by answer and shape.",
	    METRICS_PUSHES, PAGE_COUNTER, { "answer", "shape" },
	    { answers, metrics_shapes }, { METRICS_ANSWERS, METRICS_SHAPES }, 0 },
	{ "mpushd_rejected_total",
	    "Requests, logins and connections that were refused, by reason.",
	    METRICS_REJECTED, PAGE_COUNTER, { "reason", NULL },
	    { whys, NULL }, { METRICS_WHY_COUNT, 0 }, 1 },
	{ "mpushd_messages_queued",
	    "Messages that their devices have not confirmed.",
	    METRICS_QUEUED, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_messages_in_flight",
	    "Messages that were sent to connected devices and not confirmed.",
	    METRICS_IN_FLIGHT, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_messages_overdue",
	    "Messages that were not confirmed for five minutes or more.",
	    METRICS_OVERDUE, PAGE_GAUGE, { "priority", NULL },
	    { priorities, NULL }, { METRICS_PRIORITIES, 0 }, 0 },
	{ "mpushd_messages_confirmed_total",
	    "Messages that their devices have confirmed.",
	    METRICS_CONFIRMED, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_messages_resent_total",
	    "Messages that were sent again for want of a confirmation.",
	    METRICS_RESENT, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_messages_expired_total",
	    "Messages that were dropped after MESSAGE_TTL.",
	    METRICS_EXPIRED, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_messages_collapsed_total",
	    "Messages that a newer one of the same key has replaced.",
	    METRICS_COLLAPSED, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_pushes_repeated_total",
	    "Notifications that only repeated another one of DEDUP_WINDOW.",
	    METRICS_REPEATED, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_devices_registered", "Devices that are registered.",
	    METRICS_REGISTERED, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_devices_online", "Devices that are connected.",
	    METRICS_DEVICES_ONLINE, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_connections", "Connections, by what they are now.",
	    METRICS_CONNECTIONS, PAGE_GAUGE, { "kind", NULL },
	    { kinds, NULL }, { 2, 0 }, 0 },
	{ "mpushd_connections_accepted_total",
	    "Connections that were accepted.",
	    METRICS_ACCEPTED, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_received_bytes_total", "Bytes read from clients.",
	    METRICS_RECEIVED, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_sent_bytes_total",
	    "Bytes written to clients, or waiting to be.",
	    METRICS_SENT, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_store_commits_total", "Groups that were committed to disk.",
	    METRICS_COMMITS, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_store_errors_total", "Commits that failed.",
	    METRICS_STORE_ERRORS, PAGE_COUNTER, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_store_bytes",
	    "Bytes of the unconfirmed messages, as MAX_STORE counts them.",
	    METRICS_STORE_BYTES, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
};

/* The histograms, in seconds. */
static const struct page_metric page_histograms[] = {
	{ "mpushd_push_latency_seconds",
	    "Time from a whole request to its answer, of pushes.",
	    METRICS_PUSH_LATENCY, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_ack_latency_seconds",
	    "Time to the confirmation of messages that were sent once.",
	    METRICS_ACK_LATENCY, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
	{ "mpushd_store_commit_seconds", "Time of a commit to disk.",
	    METRICS_COMMIT_LATENCY, PAGE_GAUGE, { 0 }, { 0 }, { 0 }, 0 },
};
/* clang-format on */

#define PAGE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
page_print_head(struct evbuffer *out, const char *name, const char *type,
    const char *help)
{
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help,
	    name, type);
}

static void
page_print_cell(struct evbuffer *out, const struct page_metric *m,
    unsigned int i)
{
	unsigned int a = i, b = 0;
	int64_t value = (int64_t)metrics_sum(m->cell, i);

	/* Threads are read one after the other: a gauge may be in between. */
	if (m->kind == PAGE_GAUGE && value < 0)
		value = 0;
	if (m->count[1] > 0) {
		a = i / m->count[1];
		b = i % m->count[1];
	}
	evbuffer_add_printf(out, "%s", m->name);
	if (m->count[0] > 0)
		evbuffer_add_printf(out, "{%s=\"%s\"", m->label[0],
		    m->values[0][a]);
	if (m->count[1] > 0)
		evbuffer_add_printf(out, ",%s=\"%s\"", m->label[1],
		    m->values[1][b]);
	evbuffer_add_printf(out, "%s %" PRIu64 "\n", m->count[0] > 0 ? "}" : "",
	    (uint64_t)value);
}

static void
page_print_metric(struct evbuffer *out, const struct page_metric *m)
{
	unsigned int i, cells = m->count[0] > 0 ? m->count[0] : 1;

	if (m->count[1] > 0)
		cells *= m->count[1];
	page_print_head(out, m->name,
	    m->kind == PAGE_COUNTER ? "counter" : "gauge", m->help);
	for (i = m->skip; i < cells; i++)
		page_print_cell(out, m, i);
}

static void
page_print_histogram(struct evbuffer *out, const struct page_metric *m)
{
	uint64_t count = 0, sum;
	unsigned int i;

	page_print_head(out, m->name, "histogram", m->help);
	sum = metrics_sum(m->cell, METRICS_BUCKETS);
	for (i = 0; i < METRICS_BUCKETS; i++) {
		count += metrics_sum(m->cell, i);
		evbuffer_add_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n",
		    m->name, metrics_bucket_bound(i), count);
	}
	evbuffer_add_printf(out, "%s_sum %" PRIu64 ".%09" PRIu64 "\n", m->name,
	    sum / 1000000000, sum % 1000000000);
	evbuffer_add_printf(out, "%s_count %" PRIu64 "\n", m->name, count);
}

static void
page_print_number(struct evbuffer *out, const char *name, const char *type,
    const char *help, double value)
{
	page_print_head(out, name, type, help);
	evbuffer_add_printf(out, "%s %.15g\n", name, value);
}

static void
page_print_pipes(struct evbuffer *out)
{
	const char *name;
	size_t i, depth;

	page_print_head(out, "mpushd_pipe_depth", "gauge",
	    "Events on the way between two threads.");
	for (i = 0; (name = metrics_pipe(i, &depth)) != NULL; i++)
		evbuffer_add_printf(out, "mpushd_pipe_depth{pipe=\"%s\"} %zu\n",
		    name, depth);
}

/* The value of a label, between its quotes. */
static void
page_print_label(struct evbuffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			evbuffer_add(out, "\\", 1);
		evbuffer_add(out, text, 1);
	}
}

static void
page_print_watched(struct evbuffer *out, const struct watch *w,
    const char *name, const char *help,
    size_t (*value)(const struct watch *, size_t))
{
	size_t i;

	page_print_head(out, name, "gauge", help);
	for (i = 0; i < watch_count(w); i++) {
		evbuffer_add_printf(out, "%s{device=\"", name);
		page_print_label(out, watch_id(w, i));
		evbuffer_add_printf(out, "\"} %zu\n", value(w, i));
	}
}

static void
page_print_devices(struct evbuffer *out, const struct watch *w)
{
	if (watch_count(w) == 0)
		return;
	page_print_watched(out, w, "mpushd_device_online",
	    "Whether a device of METRICS_DEVICES is connected.", watch_online);
	page_print_watched(out, w, "mpushd_device_messages_queued",
	    "Messages that a device of METRICS_DEVICES has not confirmed.",
	    watch_queued);
}

/* Of many it takes long to count them: then it is the connections and some. */
static size_t
page_count_fds(void)
{
	size_t connections =
	    metrics_sum(METRICS_CONNECTIONS, METRICS_HTTP) +
	    metrics_sum(METRICS_CONNECTIONS, METRICS_WEBSOCKET);
	size_t count = 0;
	DIR *dir;

	if (connections > PAGE_FDS_MAX)
		return connections;
	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return connections;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	/* ".", ".." and the directory's own. */
	return count > 3 ? count - 3 : 0;
}

/* Of proc(5): statm's first two fields in pages. */
static void
page_print_memory(struct evbuffer *out)
{
	double page = (double)sysconf(_SC_PAGESIZE);
	unsigned long size = 0, resident = 0;
	FILE *fp = fopen("/proc/self/statm", "re");

	if (fp == NULL)
		return;
	if (fscanf(fp, "%lu %lu", &size, &resident) == 2) {
		page_print_number(out, "process_virtual_memory_bytes", "gauge",
		    "Virtual memory size in bytes.", (double)size * page);
		page_print_number(out, "process_resident_memory_bytes", "gauge",
		    "Resident memory size in bytes.", (double)resident * page);
	}
	fclose(fp);
}

/* Of proc(5): stat's field 20. */
static void
page_print_threads(struct evbuffer *out)
{
	unsigned long threads;
	FILE *fp = fopen("/proc/self/stat", "re");

	if (fp == NULL)
		return;
	if (fscanf(fp,
		"%*d %*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
		"%*u %*u %*d %*d %*d %*d %lu",
		&threads) == 1)
		page_print_number(out, "process_threads", "gauge",
		    "Threads of the process.", (double)threads);
	fclose(fp);
}

static void
page_print_process(struct evbuffer *out)
{
	struct timespec cpu;
	struct rlimit limit;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
		page_print_number(out, "process_cpu_seconds_total", "counter",
		    "Total user and system CPU time spent in seconds.",
		    (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
	page_print_memory(out);
	page_print_threads(out);
	page_print_number(out, "process_start_time_seconds", "gauge",
	    "Start time of the process since unix epoch in seconds.",
	    (double)metrics_start_time() / 1000);
	page_print_number(out, "process_open_fds", "gauge",
	    "Number of open file descriptors.", (double)page_count_fds());
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		page_print_number(out, "process_max_fds", "gauge",
		    "Maximum number of open file descriptors.",
		    (double)limit.rlim_cur);
}

static void
page_print_build(struct evbuffer *out, const struct conf *conf)
{
	page_print_head(out, "mpushd_build_info", "gauge",
	    "What runs: always 1.");
	evbuffer_add_printf(out,
	    "mpushd_build_info{version=\"%s\",libevent=\"%s\",lmdb=\"%d.%d.%d\""
	    ",workers=\"%" PRId64 "\"} 1\n",
	    PACKAGE_VERSION, event_get_version(), MDB_VERSION_MAJOR,
	    MDB_VERSION_MINOR, MDB_VERSION_PATCH, conf->workers);
}

void
metrics_page_print(struct evbuffer *out, const struct metrics_page *p)
{
	size_t i;

	page_print_build(out, p->conf);
	page_print_number(out, "mpushd_ready", "gauge",
	    "Whether /-/ready answers 200.", p->ready);
	for (i = 0; i < PAGE_COUNT(page_metrics); i++)
		page_print_metric(out, &page_metrics[i]);
	page_print_number(out, "mpushd_store_limit_bytes", "gauge",
	    "MAX_STORE.", (double)p->conf->max_store);
	page_print_number(out, "mpushd_store_up", "gauge",
	    "Whether messages can be written; 1 without STATE_DIR.",
	    !p->has_store || p->store_works);
	for (i = 0; i < PAGE_COUNT(page_histograms); i++)
		page_print_histogram(out, &page_histograms[i]);
	page_print_pipes(out);
	page_print_devices(out, p->conf->watch);
	page_print_process(out);
}
