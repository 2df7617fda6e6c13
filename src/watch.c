/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "watch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "conf.h"

struct watch_device {
	atomic_size_t online, queued;
};

struct watch {
	const struct conf_list *ids;
	struct watch_device device[];
};

struct watch *
watch_new(const struct conf_list *ids)
{
	struct watch *w;

	w = calloc(1, sizeof(*w) + ids->count * sizeof(w->device[0]));
	if (w != NULL)
		w->ids = ids;
	return w;
}

void
watch_free(struct watch **wp)
{
	free(*wp);
	*wp = NULL;
}

size_t
watch_count(const struct watch *w)
{
	return w != NULL ? w->ids->count : 0;
}

const char *
watch_id(const struct watch *w, size_t i)
{
	return w->ids->item[i];
}

size_t
watch_online(const struct watch *w, size_t i)
{
	return atomic_load_explicit(&w->device[i].online, memory_order_relaxed);
}

size_t
watch_queued(const struct watch *w, size_t i)
{
	return atomic_load_explicit(&w->device[i].queued, memory_order_relaxed);
}

void
watch_set(struct watch *w, size_t i, bool online, size_t queued)
{
	atomic_store_explicit(&w->device[i].online, online,
	    memory_order_relaxed);
	atomic_store_explicit(&w->device[i].queued, queued,
	    memory_order_relaxed);
}
