/* SPDX-License-Identifier: ISC */
/*
 * table - the devices by id and by reference.  A linear hash table (Litwin
 * 1980; Larson 1988): it grows by splitting one bucket at a time, so that no
 * insertion ever pauses to move all nodes.  SipHash-2-4 with a random key: device
 * ids come from outside.
 * Thread: broker.  Owns: its arrays, not the nodes, which are embedded in
 * the devices.
 */
#ifndef MPUSHD_TABLE_H
#define MPUSHD_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "handle.h"

/* Embedded in each device; the id lives as long as the node is in. */
struct table_node {
	struct table_node *next;
	uint64_t hash;
	const char *id;
	uint32_t id_len;
	struct devref ref;
};

struct table;

/* Make an empty table.  NULL: no memory. */
struct table *table_new(void);

/* Free a table, which may still hold nodes, and set the pointer to NULL. */
void table_free(struct table **);

/* The node of this id, or NULL. */
struct table_node *table_find(const struct table *, const char *id, size_t len);

/* The node that REF names, or NULL when it is stale. */
struct table_node *table_get(const struct table *, struct devref);

/*
 * Put a node in, whose id is not there yet; sets its ref.  Returns 0, or -1
 * with ENOMEM.
 */
int table_add(struct table *, struct table_node *);

/* Take a node out; its ref is stale from now on. */
void table_remove(struct table *, struct table_node *);

/* How many nodes there are. */
size_t table_count(const struct table *);

/* How many slots there are: all nodes are in one below. */
size_t table_slots(const struct table *);

/* The node in slot I, I < table_slots, or NULL. */
struct table_node *table_at(const struct table *, size_t i);

#endif
