/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <string.h>

#include "broker_impl.h"
#include "check.h"
#include "conf.h"
#include "message.h"
#include "metrics.h"
#include "table.h"
#include "watch.h"

#define BROKER_WATCH 1000 /* milliseconds between looks at METRICS_DEVICES */

void
broker_count_in(struct broker *b, const struct outbox_entry *e, uint64_t bytes)
{
	b->bytes += bytes;
	metrics_add(METRICS_QUEUED, 0, 1);
	overdue_advance(&b->overdue, b->wall);
	overdue_add(&b->overdue, message_time(e->message),
	    message_priority(e->message));
}

void
broker_count_out(struct broker *b, const struct outbox_entry *e, uint64_t bytes)
{
	CHECK(b->bytes >= bytes);
	b->bytes -= bytes;
	metrics_add(METRICS_QUEUED, 0, -1);
	overdue_remove(&b->overdue, message_time(e->message),
	    message_priority(e->message));
}

static void
broker_publish_watched(struct broker *b)
{
	const struct device *d;
	const char *id;
	size_t i;

	for (i = 0; i < watch_count(b->conf->watch); i++) {
		id = watch_id(b->conf->watch, i);
		d = device_of_node(table_find(b->table, id, strlen(id)));
		watch_set(b->conf->watch, i, d != NULL && device_is_online(d),
		    d != NULL ? d->outbox.live : 0);
	}
	b->watch_due = b->now + BROKER_WATCH;
	b->watch_is_stale = false;
}

void
broker_publish(struct broker *b, bool busy)
{
	int i;

	overdue_advance(&b->overdue, b->wall);
	for (i = 0; i < OVERDUE_PRIORITIES; i++)
		metrics_set(METRICS_OVERDUE, (unsigned int)i,
		    overdue_count(&b->overdue, i));
	metrics_set(METRICS_REGISTERED, 0, table_count(b->table));
	metrics_set(METRICS_STORE_BYTES, 0, b->bytes);
	b->watch_is_stale |= busy;
	if (b->watch_is_stale && b->now >= b->watch_due)
		broker_publish_watched(b);
}

int
broker_publish_wait(const struct broker *b)
{
	if (b->watch_is_stale && watch_count(b->conf->watch) > 0)
		return BROKER_WATCH;
	return overdue_ripens(&b->overdue) ? OVERDUE_SLOT : -1;
}
