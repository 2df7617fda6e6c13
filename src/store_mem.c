/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "store_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "store.h"

/* One record, as its bytes. */
struct store_mem_row {
	uint64_t key;
	uint8_t *value; /* owned */
	size_t len;
};

/* Rows in the order of their keys. */
struct store_mem_rows {
	struct store_mem_row *row;
	size_t count;
};

struct store_mem {
	struct store head;
	struct store_mem_rows kept, next; /* next: not synced yet */
	size_t syncs, fail_after;
	uint64_t written;
	int error;
};

static struct store_mem *
store_mem_of(struct store *s)
{
	return (struct store_mem *)s;
}

static void
store_mem_clear(struct store_mem_rows *r)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		free(r->row[i].value);
	free(r->row);
	memset(r, 0, sizeof(*r));
}

static void
store_mem_append(struct store_mem_rows *r, uint64_t key, const void *value,
    size_t len)
{
	struct store_mem_row *row;

	r->row = reallocarray(r->row, r->count + 1, sizeof(r->row[0]));
	CHECK(r->row != NULL);
	row = &r->row[r->count++];
	row->key = key;
	row->len = len;
	row->value = malloc(len);
	CHECK(row->value != NULL);
	memcpy(row->value, value, len);
}

static void
store_mem_copy(struct store_mem_rows *to, const struct store_mem_rows *from)
{
	size_t i;

	store_mem_clear(to);
	for (i = 0; i < from->count; i++)
		store_mem_append(to, from->row[i].key, from->row[i].value,
		    from->row[i].len);
}

/* The errno that this call has to fail with, or 0. */
static int
store_mem_fault(struct store_mem *m)
{
	if (m->error == 0)
		return 0;
	if (m->fail_after > 0) {
		m->fail_after--;
		return 0;
	}
	store_mem_copy(&m->next, &m->kept);
	return m->error;
}

static void
store_mem_remove(struct store_mem_rows *r, uint64_t key)
{
	size_t i;

	for (i = 0; i < r->count && r->row[i].key != key; i++)
		;
	if (i == r->count)
		return;
	free(r->row[i].value);
	memmove(&r->row[i], &r->row[i + 1],
	    (r->count - i - 1) * sizeof(r->row[0]));
	r->count--;
}

static int
store_mem_compare(const void *a, const void *b)
{
	const struct store_mem_row *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static int
store_mem_put(struct store *s, const struct store_item *items, size_t count)
{
	struct store_mem *m = store_mem_of(s);
	int error = store_mem_fault(m);
	void *value;
	size_t i, len;

	if (error != 0)
		return error;
	for (i = 0; i < count; i++) {
		len = record_size(&items[i].record);
		value = malloc(len);
		CHECK(value != NULL);
		record_write(value, items[i].key, &items[i].record);
		store_mem_remove(&m->next, items[i].key);
		store_mem_append(&m->next, items[i].key, value, len);
		free(value);
	}
	if (m->next.count > 0)
		qsort(m->next.row, m->next.count, sizeof(m->next.row[0]),
		    store_mem_compare);
	return 0;
}

static int
store_mem_del(struct store *s, const uint64_t *keys, size_t count)
{
	struct store_mem *m = store_mem_of(s);
	int error = store_mem_fault(m);
	size_t i;

	for (i = 0; i < count && error == 0; i++)
		store_mem_remove(&m->next, keys[i]);
	return error;
}

static int
store_mem_sync(struct store *s)
{
	struct store_mem *m = store_mem_of(s);
	int error = store_mem_fault(m);

	if (error != 0)
		return error;
	store_mem_copy(&m->kept, &m->next);
	m->syncs++;
	return 0;
}

static int
store_mem_scan(struct store *s, int (*visit)(void *, const struct store_item *),
    void *arg)
{
	struct store_mem *m = store_mem_of(s);
	struct store_item item;
	int error = 0;
	size_t i;

	for (i = 0; i < m->kept.count && error == 0; i++) {
		item.key = m->kept.row[i].key;
		CHECK(record_read(&item.record, item.key, m->kept.row[i].value,
		    m->kept.row[i].len));
		error = visit(arg, &item);
	}
	return error;
}

static int
store_mem_recover(struct store *s)
{
	return store_mem_fault(store_mem_of(s));
}

static int
store_mem_tidy(struct store *s)
{
	(void)s;
	return 0;
}

static uint64_t
store_mem_written(const struct store *s)
{
	return ((const struct store_mem *)s)->written;
}

static void
store_mem_free(struct store *s)
{
	struct store_mem *m = store_mem_of(s);

	store_mem_clear(&m->kept);
	store_mem_clear(&m->next);
	free(m);
}

static const struct store_ops store_mem_ops = {
	.scan = store_mem_scan,
	.put = store_mem_put,
	.del = store_mem_del,
	.sync = store_mem_sync,
	.recover = store_mem_recover,
	.probe = store_mem_recover,
	.tidy = store_mem_tidy,
	.written = store_mem_written,
	.free = store_mem_free,
};

struct store *
store_mem_new(void)
{
	struct store_mem *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->head.ops = &store_mem_ops;
	return &m->head;
}

void
store_mem_fail(struct store *s, int error, size_t after)
{
	store_mem_of(s)->error = error;
	store_mem_of(s)->fail_after = after;
}

size_t
store_mem_count(const struct store *s)
{
	return ((const struct store_mem *)s)->kept.count;
}

size_t
store_mem_syncs(const struct store *s)
{
	return ((const struct store_mem *)s)->syncs;
}

void
store_mem_set_written(struct store *s, uint64_t written)
{
	store_mem_of(s)->written = written;
}
