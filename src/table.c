/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "table.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define TABLE_SEGMENT 1024 /* buckets in a segment */
#define TABLE_NONE    UINT32_MAX

/* What devref.slot counts. */
struct table_slot {
	struct table_node *node; /* NULL: free */
	uint32_t gen;            /* of the node, or the last one; not 0 */
	uint32_t next_free;
};

/*
 * Buckets lie in segments that never move; the directory of segments is a
 * thousand times smaller than the table, so growing it costs nothing.
 */
struct table {
	unsigned char key[crypto_shorthash_KEYBYTES];
	struct table_node ***segments;
	size_t segment_count;
	size_t low;   /* buckets at the start of this round */
	size_t split; /* buckets that this round has split */
	struct table_slot *slots;
	size_t count, slot_count, slot_size;
	uint32_t free; /* the first free slot, or TABLE_NONE */
};

static struct table_node **
table_bucket(const struct table *t, size_t i)
{
	return &t->segments[i / TABLE_SEGMENT][i % TABLE_SEGMENT];
}

static int
table_add_segment(struct table *t)
{
	struct table_node ***grown;

	grown = reallocarray(t->segments, t->segment_count + 1,
	    sizeof(t->segments[0]));
	if (grown == NULL)
		return -1;
	t->segments = grown;
	grown[t->segment_count] =
	    calloc(TABLE_SEGMENT, sizeof(struct table_node *));
	if (grown[t->segment_count] == NULL)
		return -1;
	t->segment_count++;
	return 0;
}

struct table *
table_new(void)
{
	struct table *t;

	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	arc4random_buf(t->key, sizeof(t->key));
	t->low = TABLE_SEGMENT;
	t->free = TABLE_NONE;
	if (table_add_segment(t) == -1)
		table_free(&t);
	return t;
}

void
table_free(struct table **tp)
{
	struct table *t = *tp;
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->segment_count; i++)
		free(t->segments[i]);
	free(t->segments);
	free(t->slots);
	free(t);
	*tp = NULL;
}

static uint64_t
table_hash(const struct table *t, const char *id, size_t len)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(out, (const unsigned char *)id, len, t->key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

static struct table_node **
table_bucket_of(const struct table *t, uint64_t hash)
{
	size_t i = hash & (t->low - 1);

	if (i < t->split)
		i = hash & (2 * t->low - 1);
	return table_bucket(t, i);
}

struct table_node *
table_find(const struct table *t, const char *id, size_t len)
{
	uint64_t hash = table_hash(t, id, len);
	struct table_node *n;

	for (n = *table_bucket_of(t, hash); n != NULL; n = n->next) {
		if (n->hash == hash && n->id_len == len &&
		    memcmp(n->id, id, len) == 0)
			return n;
	}
	return NULL;
}

struct table_node *
table_get(const struct table *t, struct devref ref)
{
	if (ref.slot >= t->slot_count || t->slots[ref.slot].gen != ref.gen)
		return NULL;
	return t->slots[ref.slot].node;
}

/* Split the next bucket; without memory the table just stays dense. */
static void
table_grow(struct table *t)
{
	size_t from = t->split, to = t->low + t->split;
	struct table_node *n, *next;

	if (to / TABLE_SEGMENT >= t->segment_count &&
	    table_add_segment(t) == -1)
		return;
	n = *table_bucket(t, from);
	*table_bucket(t, from) = NULL;
	t->split++;
	if (t->split == t->low) {
		t->low *= 2;
		t->split = 0;
	}
	for (; n != NULL; n = next) {
		struct table_node **b = table_bucket_of(t, n->hash);

		CHECK(b == table_bucket(t, from) || b == table_bucket(t, to));
		next = n->next;
		n->next = *b;
		*b = n;
	}
}

static int
table_grow_slots(struct table *t)
{
	size_t size = t->slot_size == 0 ? 64 : t->slot_size * 2;
	struct table_slot *slots;

	if (t->slot_count < t->slot_size)
		return 0;
	slots = reallocarray(t->slots, size, sizeof(t->slots[0]));
	if (slots == NULL) {
		errno = ENOMEM;
		return -1;
	}
	t->slots = slots;
	t->slot_size = size;
	return 0;
}

/* A slot for a node, or TABLE_NONE. */
static uint32_t
table_take_slot(struct table *t)
{
	uint32_t i = t->free;

	if (i != TABLE_NONE) {
		t->free = t->slots[i].next_free;
		return i;
	}
	if (t->slot_count >= TABLE_NONE || table_grow_slots(t) == -1)
		return TABLE_NONE;
	i = (uint32_t)t->slot_count++;
	t->slots[i].gen = 0;
	return i;
}

int
table_add(struct table *t, struct table_node *n)
{
	uint32_t slot = table_take_slot(t);
	struct table_node **b;

	if (slot == TABLE_NONE)
		return -1;
	/* Generation 0 is no device. */
	if (++t->slots[slot].gen == 0)
		t->slots[slot].gen = 1;
	t->slots[slot].node = n;
	t->count++;
	n->hash = table_hash(t, n->id, n->id_len);
	n->ref.slot = slot;
	n->ref.gen = t->slots[slot].gen;
	b = table_bucket_of(t, n->hash);
	n->next = *b;
	*b = n;
	if (t->count > t->low + t->split)
		table_grow(t);
	return 0;
}

void
table_remove(struct table *t, struct table_node *n)
{
	struct table_node **b = table_bucket_of(t, n->hash);
	struct table_slot *slot = &t->slots[n->ref.slot];

	CHECK(slot->node == n);
	while (*b != n)
		b = &(*b)->next;
	*b = n->next;
	slot->node = NULL;
	slot->next_free = t->free;
	t->free = n->ref.slot;
	t->count--;
}

size_t
table_count(const struct table *t)
{
	return t->count;
}

size_t
table_slots(const struct table *t)
{
	return t->slot_count;
}

struct table_node *
table_at(const struct table *t, size_t i)
{
	CHECK(i < t->slot_count);
	return t->slots[i].node;
}
