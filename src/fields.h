/* SPDX-License-Identifier: ISC */
/*
 * fields - what a request names, the title, the content and more, gathered from its
 * sources in the order of their precedence: what is named first stays.
 * Pure: any thread.  Owns the texts.
 */
#ifndef MPUSHD_FIELDS_H
#define MPUSHD_FIELDS_H

#include <stddef.h>

/* One field; TEXT is NULL as long as nothing has named it. */
struct field {
	char *text; /* valid UTF-8 without U+0000, NUL-terminated */
	size_t len;
};

/* All zero bytes is the start. */
struct fields {
	struct field title, content, priority, url, tags, key;
	struct field wait, require; /* how to answer */
	struct field template;      /* counts in the query only */
};

/*
 * The field called NAME (LEN bytes, case counts) that is still to be set; NULL
 * when there is none of that name or something has named it already.
 */
struct field *fields_find(struct fields *, const char *name, size_t len);

/*
 * Set a field to a copy of LEN bytes of TEXT, cleaned (utf8_clean).  The field
 * must be unset.  Returns 0, or -1 with errno ENOMEM.
 */
int fields_set(struct field *, const char *text, size_t len);

/*
 * As fields_set, but takes TEXT, which malloc gave with room for LEN + 1
 * bytes; it is freed on failure.
 */
int fields_take(struct field *, char *text, size_t len);

/* Free all texts; the fields are then as at the start. */
void fields_free(struct fields *);

#endif
