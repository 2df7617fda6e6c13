/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "collapse.h"

#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "table.h"

/* What the table knows a key by. */
struct collapse_name {
	struct devref device;
	uint64_t key;
};

struct collapse_node {
	struct table_node node;
	struct collapse_name name;
	uint64_t mid;
};

struct collapse {
	struct table *table;
};

struct collapse *
collapse_new(void)
{
	struct collapse *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->table = table_new();
	if (c->table == NULL)
		collapse_free(&c);
	return c;
}

static struct collapse_node *
collapse_of_node(struct table_node *n)
{
	return n == NULL ? NULL : CONTAINER_OF(n, struct collapse_node, node);
}

void
collapse_free(struct collapse **cp)
{
	struct collapse *c = *cp;
	size_t i;

	*cp = NULL;
	if (c == NULL)
		return;
	for (i = 0; c->table != NULL && i < table_slots(c->table); i++)
		free(collapse_of_node(table_at(c->table, i)));
	table_free(&c->table);
	free(c);
}

static struct collapse_node *
collapse_find(const struct collapse *c, struct devref device, uint64_t key)
{
	struct collapse_name name = { device, key };

	return collapse_of_node(
	    table_find(c->table, (const char *)&name, sizeof(name)));
}

void
collapse_set(struct collapse *c, struct devref device, uint64_t key,
    uint64_t mid)
{
	struct collapse_node *n = collapse_find(c, device, key);

	if (n != NULL) {
		n->mid = n->mid < mid ? mid : n->mid;
		return;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return;
	n->name.device = device;
	n->name.key = key;
	n->mid = mid;
	n->node.id = (const char *)&n->name;
	n->node.id_len = sizeof(n->name);
	if (table_add(c->table, &n->node) == -1)
		free(n);
}

uint64_t
collapse_get(const struct collapse *c, struct devref device, uint64_t key)
{
	const struct collapse_node *n = collapse_find(c, device, key);

	return n != NULL ? n->mid : 0;
}

void
collapse_unset(struct collapse *c, struct devref device, uint64_t key,
    uint64_t mid)
{
	struct collapse_node *n = collapse_find(c, device, key);

	if (n == NULL || n->mid != mid)
		return;
	table_remove(c->table, &n->node);
	free(n);
}

size_t
collapse_count(const struct collapse *c)
{
	return table_count(c->table);
}
