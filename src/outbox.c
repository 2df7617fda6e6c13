/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "message.h"

#define OUTBOX_SIZE_MIN 4 /* entries */

static struct outbox_entry *
outbox_at(const struct outbox *ob, uint32_t i)
{
	return &ob->ring[(ob->head + i) & (ob->size - 1)];
}

/* The place of an entry counted from the head. */
static uint32_t
outbox_index(const struct outbox *ob, const struct outbox_entry *e)
{
	return ((uint32_t)(e - ob->ring) - ob->head) & (ob->size - 1);
}

void
outbox_done(struct outbox *ob)
{
	uint32_t i;

	for (i = 0; i < ob->count; i++)
		message_unref(&outbox_at(ob, i)->message);
	free(ob->ring);
	memset(ob, 0, sizeof(*ob));
}

/* Give the ring SIZE places, and the entries their old order in it. */
static int
outbox_resize(struct outbox *ob, uint32_t size)
{
	struct outbox_entry *ring;
	uint32_t i;

	ring = calloc(size, sizeof(*ring));
	if (ring == NULL)
		return -1;
	for (i = 0; i < ob->count; i++)
		ring[i] = *outbox_at(ob, i);
	free(ob->ring);
	ob->ring = ring;
	ob->size = size;
	ob->head = 0;
	return 0;
}

/* Close the holes between the entries, which stay where the ring begins. */
static void
outbox_compact(struct outbox *ob)
{
	uint32_t from, to = 0, sent = 0;

	for (from = 0; from < ob->count; from++) {
		if (outbox_at(ob, from)->message == NULL)
			continue;
		if (from < ob->sent)
			sent++;
		*outbox_at(ob, to++) = *outbox_at(ob, from);
	}
	CHECK(to == ob->live);
	ob->count = to;
	ob->sent = sent;
}

static int
outbox_make_room(struct outbox *ob)
{
	if (ob->count < ob->size)
		return 0;
	if (ob->live <= ob->count / 2 && ob->count > 0) {
		outbox_compact(ob);
		return 0;
	}
	if (ob->size > UINT32_MAX / 2)
		return -1;
	return outbox_resize(ob,
	    ob->size == 0 ? OUTBOX_SIZE_MIN : ob->size * 2);
}

struct outbox_entry *
outbox_put(struct outbox *ob, struct message **mp, uint64_t mid, size_t max)
{
	struct outbox_entry *e;

	if (ob->live >= max) {
		errno = ENOBUFS;
		return NULL;
	}
	if (outbox_make_room(ob) == -1) {
		errno = ENOMEM;
		return NULL;
	}
	CHECK(ob->count == 0 || outbox_at(ob, ob->count - 1)->mid < mid);
	e = outbox_at(ob, ob->count++);
	memset(e, 0, sizeof(*e));
	e->message = *mp;
	e->mid = mid;
	*mp = NULL;
	ob->live++;
	return e;
}

struct outbox_entry *
outbox_restore(struct outbox *ob, struct message **mp, uint64_t mid)
{
	struct outbox_entry *e;
	uint32_t i;

	CHECK(ob->sent == 0 && ob->live == ob->count);
	if (outbox_find(ob, mid) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	if (outbox_make_room(ob) == -1) {
		errno = ENOMEM;
		return NULL;
	}
	/* Nearly always it is the last. */
	for (i = ob->count; i > 0 && outbox_at(ob, i - 1)->mid > mid; i--)
		*outbox_at(ob, i) = *outbox_at(ob, i - 1);
	e = outbox_at(ob, i);
	memset(e, 0, sizeof(*e));
	e->message = *mp;
	e->mid = mid;
	*mp = NULL;
	ob->count++;
	ob->live++;
	return e;
}

struct outbox_entry *
outbox_find(const struct outbox *ob, uint64_t mid)
{
	uint32_t lo = 0, hi = ob->count, mid_at;
	struct outbox_entry *e;

	while (lo < hi) {
		mid_at = lo + (hi - lo) / 2;
		e = outbox_at(ob, mid_at);
		if (e->mid == mid)
			return e->message != NULL ? e : NULL;
		if (e->mid < mid)
			lo = mid_at + 1;
		else
			hi = mid_at;
	}
	return NULL;
}

int
outbox_was_sent(const struct outbox *ob, const struct outbox_entry *e)
{
	return outbox_index(ob, e) < ob->sent;
}

/* Drop the holes at the head, and a ring that has become far too large. */
static void
outbox_trim(struct outbox *ob)
{
	while (ob->count > 0 && outbox_at(ob, 0)->message == NULL) {
		ob->head++;
		ob->count--;
		if (ob->sent > 0)
			ob->sent--;
	}
	if (ob->count == 0 && ob->size > OUTBOX_SIZE_MIN) {
		free(ob->ring);
		memset(ob, 0, sizeof(*ob));
		return;
	}
	if (ob->size <= OUTBOX_SIZE_MIN * 16)
		return;
	if (ob->live < ob->count / 4)
		outbox_compact(ob);
	/* Without memory the larger ring just stays. */
	if (ob->count < ob->size / 8)
		(void)outbox_resize(ob, ob->size / 4);
}

void
outbox_confirm(struct outbox *ob, struct outbox_entry *e)
{
	CHECK(e->message != NULL && ob->live > 0);
	message_unref(&e->message);
	e->waiter = NULL;
	ob->live--;
	outbox_trim(ob);
}

struct outbox_entry *
outbox_first(const struct outbox *ob)
{
	/* There is never a hole at the head. */
	return ob->count > 0 ? outbox_at(ob, 0) : NULL;
}

struct outbox_entry *
outbox_entry_at(const struct outbox *ob, uint32_t i)
{
	struct outbox_entry *e;

	CHECK(i < ob->count);
	e = outbox_at(ob, i);
	return e->message != NULL ? e : NULL;
}

struct outbox_entry *
outbox_unsent(struct outbox *ob)
{
	struct outbox_entry *e;

	for (; ob->sent < ob->count; ob->sent++) {
		e = outbox_at(ob, ob->sent);
		if (e->message != NULL)
			return e;
	}
	return NULL;
}

void
outbox_advance(struct outbox *ob)
{
	CHECK(ob->sent < ob->count);
	ob->sent++;
}

void
outbox_rewind(struct outbox *ob)
{
	uint32_t i;

	for (i = 0; i < ob->sent; i++)
		outbox_at(ob, i)->attempts = 0;
	ob->sent = 0;
}

struct outbox_entry *
outbox_sent_at(const struct outbox *ob, uint32_t i)
{
	struct outbox_entry *e;

	CHECK(i < ob->sent);
	e = outbox_at(ob, i);
	return e->message != NULL ? e : NULL;
}
