/* SPDX-License-Identifier: ISC */
/*
 * watch - what is told of each device in METRICS_DEVICES: the broker writes,
 * whoever prints the metrics reads.
 * Thread: watch_set the broker's; watch_new and watch_free while no other
 * thread knows it; the rest any.
 */
#ifndef MPUSHD_WATCH_H
#define MPUSHD_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct conf_list;
struct watch;

/* Watch these ids (borrowed).  NULL: no memory. */
struct watch *watch_new(const struct conf_list *ids);

/* Free it and set the pointer to NULL. */
void watch_free(struct watch **);

/* How many ids there are; 0 for NULL. */
size_t watch_count(const struct watch *);

/* Id number I, NUL-terminated. */
const char *watch_id(const struct watch *, size_t i);

/* What the broker has said last of device I. */
size_t watch_online(const struct watch *, size_t i);
size_t watch_queued(const struct watch *, size_t i);

/* Say how device I is. */
void watch_set(struct watch *, size_t i, bool online, size_t queued);

#endif
