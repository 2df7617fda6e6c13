/* SPDX-License-Identifier: ISC */
/*
 * address - the devices that the path of a request names: one, or several
 * with commas between them, of which "@NAME" is a group of GROUPS.  What is
 * percent-encoded is always part of an id.
 * Pure: any thread.  Owns a list and its texts.
 * Limits: ADDRESS_MAX devices, each of them counted as often as it is named.
 */
#ifndef MPUSHD_ADDRESS_H
#define MPUSHD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX 1000

struct conf_groups;

/* One device. */
struct address {
	char *id; /* owned, NUL-terminated too */
	size_t len;
};

/* Several devices, each of them once, in the order in which they are named. */
struct address_list {
	size_t count;
	struct address item[];
};

/*
 * True when a path (LEN bytes, as it is in the request, without its first '/')
 * names several devices, or a group of GROUPS, which may be NULL.  "@NAME"
 * without such a group is a device.
 */
bool address_is_list(const char *path, size_t len, const struct conf_groups *);

/*
 * Read a path for which address_is_list is true.  Sets *LIST, which
 * address_free frees, and returns NULL; or why it cannot be, a static
 * sentence, with *LIST NULL.  ADDRESS_NO_MEMORY is one of these.
 */
const char *address_parse(const char *path, size_t len,
    const struct conf_groups *, struct address_list **list);

extern const char ADDRESS_NO_MEMORY[];

/* Free a list and set the pointer to NULL. */
void address_free(struct address_list **);

#endif
