/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acceptor.h"
#include "broker.h"
#include "channel.h"
#include "check.h"
#include "conf.h"
#include "doorbell.h"
#include "gauge.h"
#include "keeper.h"
#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "notify.h"
#include "privs.h"
#include "store.h"
#include "store_lmdb.h"
#include "tevent.h"
#include "thread.h"
#include "watchdog.h"
#include "worker.h"

#define SERVER_FDS_BASE   48   /* descriptors for what is no connection, */
#define SERVER_FDS_WORKER 8    /* and for each worker */
#define SERVER_RETRY      1000 /* microseconds, while a pipe is full */

/* What the acceptor has of one worker. */
struct server_worker {
	struct worker *worker;
	pthread_t tid;
	bool running;
	struct channel *to, *from; /* acceptor - worker */
	struct channel *to_broker, *from_broker;
};

struct server {
	const struct server_options *options;
	struct conf *conf; /* in force */
	struct listener *listeners;
	size_t listener_count;
	struct event_base *base;
	struct event *bell_event;
	struct event *signals[3];
	struct doorbell *bell;
	struct acceptor *acceptor;
	struct acceptor_worker *acceptor_workers;
	struct broker *broker;
	struct channel *to_broker;
	pthread_t broker_tid;
	bool broker_running;
	struct store *store; /* NULL: memory only, then so are these */
	struct keeper *keeper;
	struct channel *to_keeper, *from_keeper; /* the broker's */
	pthread_t keeper_tid;
	bool keeper_running;
	struct server_worker *workers;
	size_t worker_count, stopped_count;
	size_t applying; /* workers that have yet to apply a configuration */
	struct watchdog *watchdog; /* NULL: nobody asks for it */
	bool conf_is_old;          /* what the file says now has a fault */
	bool stopping;
	struct gauge starting;      /* read by the workers */
	struct gauge store_failing; /* likewise */
	bool restoring;
	struct gauge restored; /* the thread that restores is done */
	bool restore_failed;   /* its, until it has ended */
};

static const int server_signals[] = { SIGTERM, SIGINT, SIGHUP };

void
server_set_log_level(const struct conf *conf, int verbosity)
{
	log_set_level(conf->debug || verbosity > 0 ? LOG_DEBUG : LOG_INFO);
}

/* As many descriptors as we may have; returns how many that is. */
static size_t
server_raise_fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return 1024;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		(void)getrlimit(RLIMIT_NOFILE, &rl);
	return (size_t)rl.rlim_cur;
}

/* How many connections may be there at once. */
static size_t
server_limit(const struct conf *conf)
{
	size_t fds = server_raise_fd_limit();
	size_t own =
	    SERVER_FDS_BASE + SERVER_FDS_WORKER * (size_t)conf->workers;

	if (conf->max_connections > 0)
		return (size_t)conf->max_connections;
	return fds > 2 * own ? fds - own : fds / 2 + 1;
}

static void
server_send_conf(struct conf *conf, struct channel *to)
{
	struct tevent_conf *ev = tevent_new(TEVENT_CONF, 0);

	ev->conf = conf_ref(conf);
	CHANNEL_SEND(to, ev);
	channel_flush(to);
}

static void
server_send_plain(enum tevent_type type, struct channel *to)
{
	struct tevent_plain *ev = tevent_new(type, 0);

	CHANNEL_SEND(to, ev);
	channel_flush(to);
}

static void
server_apply_conf(struct server *s, struct conf *conf)
{
	const char *key = conf_needs_restart(s->options->conf, conf);

	if (key != NULL)
		log_warn("reload: %s changes only at a restart", key);
	server_set_log_level(conf, s->options->verbosity);
	acceptor_set_limit(s->acceptor, server_limit(conf));
	/* From there it goes to the workers, who say when it is in force. */
	server_send_conf(conf, s->to_broker);
	s->applying += s->worker_count;
	conf_unref(&s->conf);
	s->conf = conf;
}

static void
server_log_faults(char *faults)
{
	char *line, *rest = faults;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0')
			log_err("reload: %s", line);
	}
}

/* Tell the service manager STATE, and how we are. */
static void
server_tell(struct server *s, const char *state)
{
	char text[256];

	snprintf(text, sizeof(text), "%s\nSTATUS=%zu connections%s", state,
	    acceptor_load(s->acceptor),
	    s->conf_is_old ? "; the configuration has a fault, what it was "
			     "before holds" :
			     "");
	notify_send(text);
}

static void
server_on_alive(void *arg)
{
	server_tell(arg, "WATCHDOG=1");
}

/* Half the time that the manager waits. */
static void
server_start_watchdog(struct server *s)
{
	uint64_t limit = notify_watchdog();

	if (limit == 0)
		return;
	s->watchdog = watchdog_new(s->base, limit / 2 + 1, s->to_broker,
	    s->worker_count, server_on_alive, s);
	if (s->watchdog == NULL)
		log_err("start: no memory for the watchdog");
}

static void
server_reload(struct server *s)
{
	char *faults = NULL;
	struct conf *conf;
	size_t size;
	FILE *fp;

	notify_reloading();
	fp = open_memstream(&faults, &size);
	conf = fp == NULL ? NULL : conf_load(s->options->source, fp);
	if (fp != NULL)
		fclose(fp);
	s->conf_is_old = conf == NULL;
	if (conf != NULL) {
		server_apply_conf(s, conf);
	} else {
		server_log_faults(faults);
		log_err("reload: nothing was changed");
		server_tell(s, "READY=1");
	}
	free(faults);
}

/* A worker has the new configuration. */
static void
server_on_applied(struct server *s)
{
	if (--s->applying > 0 || s->stopping)
		return;
	log_notice("reload: done");
	server_tell(s, "READY=1");
}

static void
server_stop(struct server *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	log_event(LOG_NOTICE,
	    LOG_FIELDS(log_number("connections", acceptor_load(s->acceptor))),
	    "stopping");
	notify_send("STOPPING=1\nSTATUS=answering who waits");
	watchdog_free(&s->watchdog);
	acceptor_shut(s->acceptor);
	listen_shut(s->listeners, s->listener_count);
	/* The broker answers who waits and passes it on to the workers. */
	server_send_plain(TEVENT_STOP, s->to_broker);
}

static void
server_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	if (sig != SIGHUP)
		server_stop(s);
	else if (!s->stopping)
		server_reload(s);
}

static void
server_on_bell(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void
server_on_event(struct server *s, struct tevent *head)
{
	switch (head->type) {
	case TEVENT_ACCEPTED:
		acceptor_on_accepted(s->acceptor, (struct tevent_accept *)head);
		break;
	case TEVENT_STOPPED:
		s->stopped_count++;
		break;
	case TEVENT_APPLIED:
		server_on_applied(s);
		break;
	case TEVENT_BEAT:
		watchdog_on_beat(s->watchdog);
		break;
	default:
		CHECK_FAIL("an event for the acceptor");
	}
}

/* What the workers report; true when there was any. */
static bool
server_drain(struct server *s)
{
	struct tevent *ev;
	bool busy = false;
	size_t i;

	for (i = 0; i < s->worker_count; i++) {
		ev = channel_receive(s->workers[i].from);
		if (ev == NULL)
			continue;
		server_on_event(s, ev);
		tevent_free(&ev);
		busy = true;
	}
	return busy;
}

static bool
server_ready(struct server *s)
{
	size_t i;

	for (i = 0; i < s->worker_count; i++) {
		if (channel_ready(s->workers[i].from))
			return true;
	}
	return s->restoring && gauge_read(&s->restored) > 0;
}

/* Wait for something to do, and do it. */
static void
server_serve_once(struct server *s)
{
	if (server_drain(s))
		return;
	doorbell_arm(s->bell);
	event_base_loop(s->base,
	    server_ready(s) ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);
	doorbell_disarm(s->bell);
}

static void
server_serve(struct server *s)
{
	while (s->stopped_count < s->worker_count)
		server_serve_once(s);
}

static int
server_new_events(struct server *s)
{
	struct event_config *cfg = event_config_new();
	size_t i;

	if (cfg == NULL)
		return -1;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	s->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	s->bell = doorbell_new();
	if (s->base == NULL || s->bell == NULL)
		return -1;
	s->bell_event = event_new(s->base, doorbell_fd(s->bell),
	    EV_READ | EV_PERSIST | EV_ET, server_on_bell, s);
	if (s->bell_event == NULL || event_add(s->bell_event, NULL) == -1)
		return -1;
	for (i = 0; i < 3; i++) {
		s->signals[i] = evsignal_new(s->base, server_signals[i],
		    server_on_signal, s);
		if (s->signals[i] == NULL ||
		    event_add(s->signals[i], NULL) == -1)
			return -1;
	}
	return 0;
}

/* Let the metrics tell what waits on the way from and to a worker. */
static int
server_show_pipes(const struct server_worker *sw, size_t i)
{
	char name[32];

	snprintf(name, sizeof(name), "worker-%u-to-broker", (unsigned int)i);
	if (metrics_add_pipe(name, sw->to_broker) == -1)
		return -1;
	snprintf(name, sizeof(name), "broker-to-worker-%u", (unsigned int)i);
	return metrics_add_pipe(name, sw->from_broker);
}

static int
server_new_worker(struct server *s, size_t i, const int *fds)
{
	struct server_worker *sw = &s->workers[i];
	struct worker_links links;

	sw->worker = worker_new((uint32_t)i, s->conf, fds, s->listener_count);
	if (sw->worker == NULL)
		return -1;
	sw->to = channel_new(worker_bell(sw->worker));
	sw->from = channel_new(s->bell);
	sw->to_broker = channel_new(broker_bell(s->broker));
	sw->from_broker = channel_new(worker_bell(sw->worker));
	if (sw->to == NULL || sw->from == NULL || sw->to_broker == NULL ||
	    sw->from_broker == NULL)
		return -1;
	if (server_show_pipes(sw, i) == -1)
		return -1;
	links.from_acceptor = sw->to;
	links.to_acceptor = sw->from;
	links.from_broker = sw->from_broker;
	links.to_broker = sw->to_broker;
	links.store_failing =
	    s->conf->state_dir != NULL ? &s->store_failing : NULL;
	links.starting = &s->starting;
	worker_connect(sw->worker, &links);
	broker_connect_worker(s->broker, i, sw->to_broker, sw->from_broker);
	s->acceptor_workers[i].worker = sw->worker;
	s->acceptor_workers[i].to = sw->to;
	return 0;
}

static int
server_new_workers(struct server *s)
{
	size_t i, count = (size_t)s->conf->workers;
	int *fds, result = -1;

	fds = calloc(s->listener_count, sizeof(fds[0]));
	s->workers = calloc(count, sizeof(s->workers[0]));
	s->acceptor_workers = calloc(count, sizeof(s->acceptor_workers[0]));
	if (fds == NULL || s->workers == NULL || s->acceptor_workers == NULL)
		goto out;
	s->worker_count = count;
	for (i = 0; i < s->listener_count; i++)
		fds[i] = s->listeners[i].fd;
	for (i = 0; i < count; i++) {
		if (server_new_worker(s, i, fds) == -1)
			goto out;
	}
	result = 0;
out:
	free(fds);
	return result;
}

/* Make the store thread, if there is a place for its store. */
static int
server_new_keeper(struct server *s)
{
	if (s->store == NULL)
		return 0;
	s->keeper = keeper_new(s->store);
	if (s->keeper == NULL)
		return -1;
	s->to_keeper = channel_new(keeper_bell(s->keeper));
	s->from_keeper = channel_new(broker_bell(s->broker));
	if (s->to_keeper == NULL || s->from_keeper == NULL)
		return -1;
	if (metrics_add_pipe("broker-to-store", s->to_keeper) == -1 ||
	    metrics_add_pipe("store-to-broker", s->from_keeper) == -1)
		return -1;
	keeper_share(s->keeper, &s->store_failing);
	keeper_connect(s->keeper, s->to_keeper, s->from_keeper);
	broker_connect_store(s->broker, s->from_keeper, s->to_keeper);
	return 0;
}

/*
 * The thread that opens the store and gives what it holds to the broker, while
 * the workers answer already that they are not ready.
 */
static void *
server_restore(void *arg)
{
	struct server *s = arg;

	CHECK(metrics_attach() == 0);
	s->store =
	    store_lmdb_new(s->conf->state_dir, (uint64_t)s->conf->max_store);
	s->restore_failed =
	    s->store == NULL || broker_restore(s->broker, s->store) != 0;
	gauge_up(&s->restored);
	doorbell_ring(s->bell);
	return NULL;
}

/* Serve until it has ended.  Returns 0, or -1 when it has logged why not. */
static int
server_await_restore(struct server *s)
{
	pthread_t tid;
	int error;

	if (s->conf->state_dir == NULL)
		return 0;
	error = thread_start(&tid, "restore", server_restore, s);
	if (error != 0) {
		log_err("start: threads: %s", strerror(error));
		return -1;
	}
	s->restoring = true;
	while (gauge_read(&s->restored) == 0)
		server_serve_once(s);
	s->restoring = false;
	pthread_join(tid, NULL);
	return s->restore_failed ? -1 : 0;
}

/* Make everything; no thread runs yet. */
static int
server_build(struct server *s)
{
	if (server_new_events(s) == -1)
		return -1;
	s->to_broker = channel_new(broker_bell(s->broker));
	if (s->to_broker == NULL)
		return -1;
	broker_connect_acceptor(s->broker, s->to_broker);
	if (server_new_workers(s) == -1)
		return -1;
	s->acceptor = acceptor_new(s->base, s->listeners, s->listener_count,
	    s->acceptor_workers, s->worker_count);
	return s->acceptor == NULL ? -1 : 0;
}

/* Start the threads of the workers.  Returns 0 or an errno. */
static int
server_start_workers(struct server *s)
{
	char name[16];
	int error;
	size_t i;

	for (i = 0; i < s->worker_count; i++) {
		snprintf(name, sizeof(name), "worker-%u", (unsigned int)i);
		error = thread_start(&s->workers[i].tid, name, worker_run,
		    s->workers[i].worker);
		if (error != 0)
			return error;
		s->workers[i].running = true;
	}
	return 0;
}

/* Start the other threads.  Returns 0 or an errno. */
static int
server_start_broker(struct server *s)
{
	int error;

	if (s->keeper != NULL) {
		error = thread_start(&s->keeper_tid, "store", keeper_run,
		    s->keeper);
		if (error != 0)
			return error;
		s->keeper_running = true;
	}
	error = thread_start(&s->broker_tid, "broker", broker_run, s->broker);
	s->broker_running = error == 0;
	return error;
}

/* From nothing to all threads.  Returns 0, or -1 when it has logged why not. */
static int
server_start(struct server *s)
{
	int error = ENOMEM;

	gauge_up(&s->starting);
	s->broker = broker_new(s->conf, (size_t)s->conf->workers);
	if (s->broker == NULL || server_build(s) == -1) {
		log_err("start: %s", strerror(errno));
		return -1;
	}
	error = server_start_workers(s);
	if (error == 0) {
		acceptor_set_limit(s->acceptor, server_limit(s->conf));
		acceptor_open(s->acceptor);
		if (server_await_restore(s) == -1)
			return -1;
		error =
		    server_new_keeper(s) == -1 ? errno : server_start_broker(s);
	}
	gauge_down(&s->starting);
	if (error != 0)
		log_err("start: threads: %s", strerror(error));
	return error == 0 ? 0 : -1;
}

/* End the threads that run, workers before the broker. */
static void
server_join(struct server *s)
{
	size_t i;

	for (i = 0; i < s->worker_count; i++) {
		if (!s->workers[i].running)
			continue;
		server_send_plain(TEVENT_QUIT, s->workers[i].to);
		pthread_join(s->workers[i].tid, NULL);
	}
	if (s->broker_running) {
		server_send_plain(TEVENT_QUIT, s->to_broker);
		pthread_join(s->broker_tid, NULL);
	}
	/* The broker has ended, so that its channel is ours. */
	if (s->keeper_running) {
		server_send_plain(TEVENT_QUIT, s->to_keeper);
		while (channel_stuck(s->to_keeper)) {
			usleep(SERVER_RETRY);
			channel_flush(s->to_keeper);
		}
		pthread_join(s->keeper_tid, NULL);
	}
}

static void
server_free_worker(struct server_worker *sw)
{
	worker_free(&sw->worker);
	channel_free(&sw->to);
	channel_free(&sw->from);
	channel_free(&sw->to_broker);
	channel_free(&sw->from_broker);
}

/* A second signal must not end what is as good as ended. */
static void
server_block_signals(void)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < 3; i++)
		sigaddset(&set, server_signals[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void
server_free(struct server *s)
{
	size_t i;

	server_block_signals();
	watchdog_free(&s->watchdog);
	acceptor_free(&s->acceptor);
	for (i = 0; i < s->worker_count; i++)
		server_free_worker(&s->workers[i]);
	free(s->workers);
	free(s->acceptor_workers);
	channel_free(&s->to_broker);
	channel_free(&s->to_keeper);
	channel_free(&s->from_keeper);
	broker_free(&s->broker);
	keeper_free(&s->keeper);
	store_free(&s->store);
	for (i = 0; i < 3; i++) {
		if (s->signals[i] != NULL)
			event_free(s->signals[i]);
	}
	if (s->bell_event != NULL)
		event_free(s->bell_event);
	if (s->base != NULL)
		event_base_free(s->base);
	doorbell_free(&s->bell);
	listen_close(&s->listeners, s->listener_count);
	conf_unref(&s->conf);
	metrics_reset();
	libevent_global_shutdown();
}

static void
server_on_libevent_log(int severity, const char *text)
{
	static const int priorities[] = {
		[EVENT_LOG_DEBUG] = LOG_DEBUG,
		[EVENT_LOG_MSG] = LOG_DEBUG,
		[EVENT_LOG_WARN] = LOG_WARNING,
		[EVENT_LOG_ERR] = LOG_ERR,
	};

	log_write(priorities[severity], "libevent: %s", text);
}

static void
server_log_start(const struct server *s)
{
	struct log_field version = log_text("version", PACKAGE_VERSION);
	struct log_field workers = log_number("workers", s->worker_count);

	if (s->conf->state_dir == NULL)
		log_event(LOG_NOTICE, LOG_FIELDS(version, workers),
		    "started: messages are kept in memory only");
	else
		log_event(LOG_NOTICE,
		    LOG_FIELDS(version, workers,
			log_text("state_dir", s->conf->state_dir)),
		    "started");
}

/* Tell everybody that it is ready. */
static void
server_announce(struct server *s)
{
	if (s->options->on_ready != NULL)
		s->options->on_ready(s->options->arg);
	listen_announce(s->listeners, s->listener_count);
	server_log_start(s);
	server_tell(s, "READY=1");
	server_start_watchdog(s);
}

int
server_run(const struct server_options *options)
{
	struct server s = { .options = options };
	int status = 1;

	thread_become(THREAD_ACCEPTOR);
	CHECK(metrics_attach() == 0);
	event_set_log_callback(server_on_libevent_log);
	signal(SIGPIPE, SIG_IGN);
	s.conf = conf_ref(options->conf);
	(void)server_raise_fd_limit();
	s.listener_count = listen_open(s.conf, &s.listeners);
	if (s.listener_count == 0 || privs_drop(s.conf->user) == -1)
		goto out;
	if (server_start(&s) == -1) {
		server_join(&s);
		goto out;
	}
	if (!s.stopping)
		server_announce(&s);
	server_serve(&s);
	server_join(&s);
	log_event(LOG_NOTICE,
	    LOG_FIELDS(log_number("queued", metrics_sum(METRICS_QUEUED, 0))),
	    s.store != NULL ? "stopped: what waits is on disk" : "stopped");
	status = 0;
out:
	server_free(&s);
	return status;
}
