/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "check.h"
#include "clock.h"
#include "doorbell.h"
#include "gauge.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "store.h"
#include "tevent.h"
#include "thread.h"

#define KEEPER_TIDY  1000 /* milliseconds from the first deletion to a look */
#define KEEPER_FEW   64   /* records deleted first on a full disk */
#define KEEPER_STUCK 1    /* milliseconds, while the pipe is full */

/* Keys whose records are to be deleted. */
struct keeper_keys {
	uint64_t *key;
	size_t count, size;
};

struct keeper {
	struct store *store;
	struct doorbell *bell;
	struct channel *from, *to;
	struct tevent_keep *group[KEEPER_GROUP];
	struct store_item items[KEEPER_GROUP]; /* of the group */
	size_t count;
	uint64_t least; /* key of the group's messages; 0: there is none */
	struct keeper_keys discards;
	uint64_t now, linger_until, tidy_at; /* 0: not set */
	int error;                           /* 0: the store works */
	uint64_t failed_at, retry_at;
	size_t refused; /* since failed_at */
	bool quit;
	struct gauge *failing; /* others read it; ours, unless it is shared */
	struct gauge own;
};

struct keeper *
keeper_new(struct store *store)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->store = store;
	k->failing = &k->own;
	k->bell = doorbell_new();
	if (k->bell == NULL)
		keeper_free(&k);
	return k;
}

void
keeper_free(struct keeper **kp)
{
	struct keeper *k = *kp;

	if (k == NULL)
		return;
	doorbell_free(&k->bell);
	free(k->discards.key);
	free(k);
	*kp = NULL;
}

struct doorbell *
keeper_bell(struct keeper *k)
{
	return k->bell;
}

void
keeper_share(struct keeper *k, struct gauge *failing)
{
	k->failing = failing;
}

void
keeper_connect(struct keeper *k, struct channel *from, struct channel *to)
{
	k->from = from;
	k->to = to;
}

/* Give an event back to the broker: done, or failed with ERROR. */
static void
keeper_return(struct keeper *k, struct tevent_keep *ev, int error)
{
	ev->head.type =
	    ev->head.type == TEVENT_KEEP ? TEVENT_KEPT : TEVENT_ENROLLED;
	ev->error = error;
	if (error != 0)
		k->refused++;
	CHANNEL_SEND(k->to, ev);
}

static void
keeper_discard(struct keeper *k, uint64_t key)
{
	struct keeper_keys *d = &k->discards;

	if (d->count == d->size) {
		d->size = d->size == 0 ? 64 : d->size * 2;
		d->key = reallocarray(d->key, d->size, sizeof(d->key[0]));
		/* A confirmation that is lost would bring a message back. */
		CHECK(d->key != NULL);
	}
	d->key[d->count++] = key;
	if (k->linger_until == 0)
		k->linger_until = k->now + KEEPER_LINGER;
}

/* The message of the group with this key; they are in the order of the keys. */
static struct tevent_keep *
keeper_find(struct keeper *k, uint64_t key)
{
	size_t i;

	if (k->least == 0 || key < k->least)
		return NULL;
	/* What is confirmed so soon came last. */
	for (i = k->count; i > 0; i--) {
		struct tevent_keep *ev = k->group[i - 1];

		if (ev->head.type == TEVENT_KEEP && ev->key <= key)
			return ev->key == key ? ev : NULL;
	}
	return NULL;
}

static void
keeper_on_keep(struct keeper *k, struct tevent_keep *ev)
{
	/* When it is time to try again there is one group to try it with. */
	if (k->error != 0 && k->now < k->retry_at) {
		keeper_return(k, ev, k->error);
		return;
	}
	if (k->least == 0 && ev->head.type == TEVENT_KEEP)
		k->least = ev->key;
	k->group[k->count++] = ev;
}

static void
keeper_on_discard(struct keeper *k, uint64_t key)
{
	struct tevent_keep *ev = keeper_find(k, key);

	if (ev != NULL)
		ev->cancelled = true;
	else
		keeper_discard(k, key);
}

/* Take what waits, up to a group; true when there was any. */
static bool
keeper_collect(struct keeper *k)
{
	struct tevent *ev;
	size_t i;

	for (i = 0; i < KEEPER_GROUP && k->count < KEEPER_GROUP; i++) {
		ev = channel_receive(k->from);
		if (ev == NULL)
			break;
		switch (ev->type) {
		case TEVENT_KEEP:
		case TEVENT_ENROL:
			keeper_on_keep(k, (struct tevent_keep *)ev);
			break;
		case TEVENT_DISCARD:
			keeper_on_discard(k,
			    ((struct tevent_discard *)ev)->key);
			tevent_free(&ev);
			break;
		case TEVENT_QUIT:
			k->quit = true;
			tevent_free(&ev);
			break;
		default:
			CHECK_FAIL("an event for the store");
		}
	}
	return i > 0;
}

static void
keeper_fill_item(struct store_item *item, const struct tevent_keep *ev)
{
	memset(item, 0, sizeof(*item));
	item->key = ev->key;
	item->record.kind =
	    ev->head.type == TEVENT_KEEP ? RECORD_MESSAGE : RECORD_DEVICE;
	item->record.id = ev->id;
	item->record.id_len = ev->id_len;
	item->record.mid = ev->mid;
	item->record.time = ev->time;
	if (ev->message == NULL)
		return;
	item->record.text = message_text(ev->message, &item->record.text_len);
	item->record.collapse = message_collapse(ev->message);
}

/* Put and delete all, to the disk.  Returns 0 or an errno. */
static int
keeper_write(struct keeper *k)
{
	uint64_t began = clock_mono_ns();
	size_t i, n = 0;
	int error;

	for (i = 0; i < k->count; i++) {
		if (!k->group[i]->cancelled)
			keeper_fill_item(&k->items[n++], k->group[i]);
	}
	if (n == 0 && k->discards.count == 0)
		return 0;
	error = store_put(k->store, k->items, n);
	if (error == 0)
		error = store_del(k->store, k->discards.key, k->discards.count);
	if (error == 0)
		error = store_sync(k->store);
	metrics_add(error == 0 ? METRICS_COMMITS : METRICS_STORE_ERRORS, 0, 1);
	metrics_observe(METRICS_COMMIT_LATENCY, clock_mono_ns() - began);
	return error;
}

static void
keeper_fail(struct keeper *k, int error)
{
	if (k->error == 0) {
		log_event(LOG_ERR,
		    LOG_FIELDS(log_number("errno", (uint64_t)error)),
		    "store: cannot write: %s; a push that has to be kept is "
		    "refused until it can",
		    strerror(error));
		k->failed_at = k->now;
		k->refused = 0;
		gauge_up(k->failing);
	}
	k->error = error;
	k->retry_at = k->now + KEEPER_RETRY;
}

static void
keeper_forget_discards(struct keeper *k)
{
	if (k->discards.count > 0 && k->tidy_at == 0)
		k->tidy_at = k->now + KEEPER_TIDY;
	k->discards.count = 0;
	k->linger_until = 0;
}

/*
 * Delete a few at first, the last first: on a disk that is full a deletion
 * needs some room too, which the one before it has made.
 */
static int
keeper_delete(struct keeper *k)
{
	struct keeper_keys *d = &k->discards;
	size_t n, few = KEEPER_FEW;
	int error = 0;

	for (; d->count > 0 && error == 0; few *= 2) {
		n = d->count < few ? d->count : few;
		error = store_del(k->store, d->key + d->count - n, n);
		if (error == 0)
			error = store_sync(k->store);
		if (error == 0)
			d->count -= n;
	}
	if (error == 0)
		k->linger_until = 0;
	return error;
}

/* Try the store again when it is time to; true when it works. */
static bool
keeper_works(struct keeper *k)
{
	int error;

	if (k->error == 0)
		return true;
	if (k->now < k->retry_at)
		return false;
	error = store_recover(k->store);
	if (error == 0)
		error = keeper_delete(k);
	if (error == 0)
		error = store_probe(k->store);
	if (error != 0) {
		keeper_fail(k, error);
		return false;
	}
	k->error = 0;
	gauge_down(k->failing);
	if (k->tidy_at == 0)
		k->tidy_at = k->now + KEEPER_TIDY;
	log_event(LOG_NOTICE,
	    LOG_FIELDS(log_number("seconds",
			   (k->now - k->failed_at + 999) / 1000),
		log_number("refused", k->refused)),
	    "store: writes again");
	return true;
}

/*
 * The failed write may be on the disk all the same: of a message that was
 * refused nothing must come back.
 */
static void
keeper_undo(struct keeper *k)
{
	size_t i;

	for (i = 0; i < k->count; i++) {
		if (k->group[i]->head.type == TEVENT_KEEP)
			keeper_discard(k, k->group[i]->key);
	}
}

static void
keeper_commit(struct keeper *k)
{
	int error = 0;
	size_t i;

	if (keeper_works(k)) {
		error = keeper_write(k);
		if (error == 0) {
			keeper_forget_discards(k);
		} else {
			keeper_fail(k, error);
			keeper_undo(k);
		}
	}
	for (i = 0; i < k->count; i++)
		keeper_return(k, k->group[i], k->error);
	k->count = 0;
	k->least = 0;
}

/* True when something must be written, or tried, now. */
static bool
keeper_is_due(const struct keeper *k)
{
	if (k->count > 0)
		return true;
	if (k->error != 0)
		return k->now >= k->retry_at;
	return k->linger_until != 0 && k->now >= k->linger_until;
}

static void
keeper_tidy(struct keeper *k)
{
	int error;

	if (k->tidy_at == 0 || k->now < k->tidy_at || k->error != 0)
		return;
	k->tidy_at = 0;
	error = store_tidy(k->store);
	if (error != 0)
		log_warn("store: cannot make the file smaller: %s",
		    strerror(error));
}

bool
keeper_turn(struct keeper *k, uint64_t now)
{
	bool busy;

	THREAD_CHECK(THREAD_STORE);
	k->now = now;
	busy = keeper_collect(k);
	if (keeper_is_due(k))
		keeper_commit(k);
	keeper_tidy(k);
	channel_flush(k->to);
	return busy;
}

/* How long to sleep when no event comes: milliseconds, -1 for ever. */
static int
keeper_patience(const struct keeper *k)
{
	uint64_t now = clock_mono_ms(), until = UINT64_MAX;

	if (channel_stuck(k->to))
		return KEEPER_STUCK;
	if (k->error != 0)
		until = k->retry_at;
	else if (k->linger_until != 0)
		until = k->linger_until;
	if (k->error == 0 && k->tidy_at != 0 && k->tidy_at < until)
		until = k->tidy_at;
	if (until == UINT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

/* The last commit, for which nobody waits any more. */
static void
keeper_finish(struct keeper *k)
{
	k->now = k->retry_at > clock_mono_ms() ? k->retry_at : clock_mono_ms();
	keeper_commit(k);
	if (k->error != 0)
		log_err("store: %zu confirmations could not be written; the "
			"messages will be sent again",
		    k->discards.count);
	k->tidy_at = k->now;
	keeper_tidy(k);
}

void *
keeper_run(void *arg)
{
	struct keeper *k = arg;

	thread_become(THREAD_STORE);
	CHECK(metrics_attach() == 0);
	while (!k->quit) {
		if (keeper_turn(k, clock_mono_ms()))
			continue;
		doorbell_arm(k->bell);
		if (!channel_ready(k->from))
			doorbell_wait(k->bell, keeper_patience(k));
		doorbell_disarm(k->bell);
	}
	keeper_finish(k);
	return NULL;
}
