/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "store.h"

int
store_scan(struct store *s, int (*visit)(void *, const struct store_item *),
    void *arg)
{
	return s->ops->scan(s, visit, arg);
}

int
store_put(struct store *s, const struct store_item *items, size_t count)
{
	return s->ops->put(s, items, count);
}

int
store_del(struct store *s, const uint64_t *keys, size_t count)
{
	return s->ops->del(s, keys, count);
}

int
store_sync(struct store *s)
{
	return s->ops->sync(s);
}

int
store_recover(struct store *s)
{
	return s->ops->recover(s);
}

int
store_probe(struct store *s)
{
	return s->ops->probe(s);
}

int
store_tidy(struct store *s)
{
	return s->ops->tidy(s);
}

uint64_t
store_written(const struct store *s)
{
	return s->ops->written(s);
}

void
store_free(struct store **sp)
{
	if (*sp != NULL)
		(*sp)->ops->free(*sp);
	*sp = NULL;
}
