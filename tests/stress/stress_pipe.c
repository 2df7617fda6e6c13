/* SPDX-License-Identifier: ISC */
/*
 * stress_pipe [EVENTS] - threads that talk over channels and sleep on their
 * doorbells as the daemon's do: workers send events in bursts of all sizes to
 * one broker, which sends each one back.  Each side verifies the order; a
 * wake-up that is lost ends in the alarm.
 */
#include "config.h"

#include <sys/types.h>

#include <bsd/stdlib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "clock.h"
#include "doorbell.h"
#include "tevent.h"
#include "thread.h"

#define EVENTS   2000000 /* unless the command line says else */
#define WORKERS  4
#define BATCH    256 /* events of one channel in a turn */
#define RETRY    1   /* milliseconds, while a pipe is full */
#define DEADLINE 60  /* seconds for one run */

struct stress_broker;

struct stress_worker {
	pthread_t tid;
	uint32_t index;
	struct doorbell *bell;
	struct channel *to_broker, *from_broker;
	uint64_t total, sent, echoed; /* the worker's */
	uint64_t seed, sleeps, stuck;
	uint64_t expected; /* the broker's */
};

struct stress_broker {
	pthread_t tid;
	struct doorbell *bell;
	uint64_t sleeps;
	unsigned int worker_count, quits;
	struct stress_worker worker[WORKERS];
};

static uint64_t
worker_random_below(struct stress_worker *w, uint64_t n)
{
	uint64_t z = (w->seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

/* Mostly single events, between which both sides sleep; some overflows. */
static uint64_t
worker_burst_size(struct stress_worker *w)
{
	switch (worker_random_below(w, 64)) {
	case 0:
		return 1 + worker_random_below(w, 10000);
	case 1:
	case 2:
		return 1 + worker_random_below(w, 1000);
	case 3:
	case 4:
	case 5:
		return 1 + worker_random_below(w, 16);
	default:
		return 1;
	}
}

static void
worker_send_burst(struct stress_worker *w)
{
	uint64_t n = worker_burst_size(w);
	struct tevent_answer *ev;

	for (; n > 0 && w->sent < w->total; n--) {
		ev = tevent_new(TEVENT_ANSWER, 0);
		ev->to.worker = w->index;
		ev->mid = w->sent++;
		CHANNEL_SEND(w->to_broker, ev);
	}
}

static bool
worker_receive(struct stress_worker *w)
{
	struct tevent *ev;
	int i;

	for (i = 0; i < BATCH; i++) {
		ev = channel_receive(w->from_broker);
		if (ev == NULL)
			break;
		CHECK(ev->type == TEVENT_ANSWER);
		CHECK(((struct tevent_answer *)ev)->to.worker == w->index);
		CHECK(((struct tevent_answer *)ev)->mid == w->echoed);
		w->echoed++;
		tevent_free(&ev);
	}
	return i > 0;
}

static void
worker_sleep(struct stress_worker *w)
{
	bool stuck = channel_stuck(w->to_broker);

	doorbell_arm(w->bell);
	if (!channel_ready(w->from_broker)) {
		w->stuck += stuck;
		w->sleeps++;
		doorbell_wait(w->bell, stuck ? RETRY : -1);
	}
	doorbell_disarm(w->bell);
}

static void *
worker_run(void *arg)
{
	struct stress_worker *w = arg;
	struct tevent_plain *quit;
	uint64_t lag = 0;

	while (w->echoed < w->total) {
		/* A worker that is stuck takes nothing new (R5). */
		if (w->sent - w->echoed <= lag && w->sent < w->total &&
		    !channel_stuck(w->to_broker)) {
			worker_send_burst(w);
			lag = worker_random_below(w, 4) == 0 ? 100 : 0;
		}
		channel_flush(w->to_broker);
		if (!worker_receive(w))
			worker_sleep(w);
	}
	quit = tevent_new(TEVENT_QUIT, 0);
	CHANNEL_SEND(w->to_broker, quit);
	channel_flush(w->to_broker);
	CHECK(!channel_stuck(w->to_broker));
	return NULL;
}

static void
broker_handle(struct stress_broker *b, struct stress_worker *w,
    struct tevent *ev)
{
	if (ev->type == TEVENT_QUIT) {
		CHECK(w->expected == w->total);
		b->quits++;
		tevent_free(&ev);
		return;
	}
	CHECK(ev->type == TEVENT_ANSWER);
	CHECK(((struct tevent_answer *)ev)->to.worker == w->index);
	CHECK(((struct tevent_answer *)ev)->mid == w->expected);
	w->expected++;
	channel_send(w->from_broker, &ev);
}

static bool
broker_turn(struct stress_broker *b)
{
	bool busy = false;
	struct tevent *ev;
	unsigned int i;
	int k;

	for (i = 0; i < b->worker_count; i++) {
		for (k = 0; k < BATCH; k++) {
			ev = channel_receive(b->worker[i].to_broker);
			if (ev == NULL)
				break;
			broker_handle(b, &b->worker[i], ev);
			busy = true;
		}
	}
	for (i = 0; i < b->worker_count; i++)
		channel_flush(b->worker[i].from_broker);
	return busy;
}

static void
broker_sleep(struct stress_broker *b)
{
	bool ready = false, stuck = false;
	unsigned int i;

	doorbell_arm(b->bell);
	for (i = 0; i < b->worker_count; i++) {
		ready |= channel_ready(b->worker[i].to_broker);
		stuck |= channel_stuck(b->worker[i].from_broker);
	}
	if (!ready) {
		b->sleeps++;
		doorbell_wait(b->bell, stuck ? RETRY : -1);
	}
	doorbell_disarm(b->bell);
}

static void *
broker_run(void *arg)
{
	struct stress_broker *b = arg;

	while (b->quits < b->worker_count) {
		if (!broker_turn(b))
			broker_sleep(b);
	}
	return NULL;
}

static void
stress_start(struct stress_broker *b, uint64_t events)
{
	struct stress_worker *w;
	unsigned int i;

	b->bell = doorbell_new();
	CHECK(b->bell != NULL);
	for (i = 0; i < b->worker_count; i++) {
		w = &b->worker[i];
		w->index = i;
		w->seed = i;
		w->total = events / b->worker_count;
		w->bell = doorbell_new();
		CHECK(w->bell != NULL);
		w->to_broker = channel_new(b->bell);
		w->from_broker = channel_new(w->bell);
		CHECK(w->to_broker != NULL && w->from_broker != NULL);
	}
	CHECK(thread_start(&b->tid, "broker", broker_run, b) == 0);
	for (i = 0; i < b->worker_count; i++)
		CHECK(thread_start(&b->worker[i].tid, "worker", worker_run,
			  &b->worker[i]) == 0);
}

static void
stress_finish(struct stress_broker *b)
{
	struct stress_worker *w;
	unsigned int i;

	for (i = 0; i < b->worker_count; i++)
		pthread_join(b->worker[i].tid, NULL);
	pthread_join(b->tid, NULL);
	for (i = 0; i < b->worker_count; i++) {
		w = &b->worker[i];
		CHECK(!channel_ready(w->from_broker));
		CHECK(!channel_ready(w->to_broker));
		channel_free(&w->from_broker);
		channel_free(&w->to_broker);
		doorbell_free(&w->bell);
	}
	doorbell_free(&b->bell);
}

static void
stress_run(unsigned int workers, uint64_t events)
{
	struct stress_broker b = { .worker_count = workers };
	uint64_t start = clock_mono_ms(), sleeps = 0, stuck = 0;
	unsigned int i;

	alarm(DEADLINE);
	stress_start(&b, events);
	stress_finish(&b);
	alarm(0);
	for (i = 0; i < workers; i++) {
		sleeps += b.worker[i].sleeps;
		stuck += b.worker[i].stuck;
	}
	/* Without these nothing was shown about sleeping. */
	CHECK(sleeps > 0 && b.sleeps > 0);
	printf("%u worker(s): %ju events there and back in %ju ms; sleeps: "
	       "workers %ju (%ju with a full pipe), broker %ju\n",
	    workers, (uintmax_t)(events / workers * workers),
	    (uintmax_t)(clock_mono_ms() - start), (uintmax_t)sleeps,
	    (uintmax_t)stuck, (uintmax_t)b.sleeps);
}

static void
stress_hangs(int signo)
{
	static const char text[] = "stress_pipe: FAILED: a wake-up was lost\n";

	(void)signo;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1)
		_exit(2);
	_exit(1);
}

int
main(int argc, char *argv[])
{
	const char *fault = NULL;
	uint64_t events = EVENTS;

	if (argc > 1)
		events = (uint64_t)strtonum(argv[1], 1000, INT64_MAX, &fault);
	if (argc > 2 || fault != NULL) {
		fprintf(stderr, "usage: stress_pipe [EVENTS]\n");
		return 2;
	}
	signal(SIGALRM, stress_hangs);
	stress_run(1, events / 2);
	stress_run(WORKERS, events / 2);
	printf("stress_pipe: passed\n");
	return 0;
}
