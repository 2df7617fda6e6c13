/* SPDX-License-Identifier: ISC */
/*
 * hook_text - a text of bounded length, built from pieces of any JSON type.
 * What does not fit is cut on a whole character, and nothing goes in behind a
 * cut, so that a text is always a prefix of what was meant.
 * Pure: any thread.  Owns the buffer, which grows with what is in it.
 * Limits: at most MAX bytes and MAX_CHARS code points.
 */
#ifndef MPUSHD_HOOK_TEXT_H
#define MPUSHD_HOOK_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct hook_text {
	char *buf; /* UTF-8 without U+0000; no NUL at its end */
	size_t len, size;
	size_t chars;
	size_t max, max_chars;
	bool cut;    /* something did not fit */
	bool failed; /* out of memory: implies cut */
};

/* How a value is written. */
enum hook_form {
	HOOK_BLOCK, /* as it is */
	HOOK_LINE,  /* a run of spaces and control characters is one space */
};

/* An empty text; nothing is allocated yet. */
void hook_text_init(struct hook_text *, size_t max, size_t max_chars);

/* Free the buffer; the text is then empty and takes nothing more. */
void hook_text_done(struct hook_text *);

/* Append LEN bytes of valid UTF-8; U+0000 becomes U+FFFD. */
void hook_text_put(struct hook_text *, const char *, size_t len);

/* Append a string that is valid UTF-8. */
void hook_text_puts(struct hook_text *, const char *);

/* Append another text. */
void hook_text_append(struct hook_text *, const struct hook_text *);

/* Append a string if it fits whole; else nothing, and the text is not cut. */
void hook_text_try(struct hook_text *, const char *);

/* Append a formatted text of at most 127 bytes of ASCII. */
void hook_text_printf(struct hook_text *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Append a value: a string as it is, a number or boolean as its text, null
 * (and NULL) as nothing, an array or object as its compact JSON.  Of more than
 * MAX_CHARS code points the last becomes an ellipsis.
 */
void hook_text_value(struct hook_text *, const json_t *, enum hook_form,
    size_t max_chars);

/* The same for LEN bytes of valid UTF-8. */
void hook_text_string(struct hook_text *, const char *, size_t len,
    enum hook_form, size_t max_chars);

/* End the last line, unless the text is empty or ends with a line end. */
void hook_text_end_line(struct hook_text *);

/* Append a value as indented JSON, of which only the first LINES lines. */
void hook_text_pretty(struct hook_text *, const json_t *, size_t lines);

/* Back to the first LEN bytes, which end on a whole character; not cut. */
void hook_text_rewind(struct hook_text *, size_t len);

/* If the text is cut, make its end an ellipsis (U+2026), as far as one fits. */
void hook_text_ellipsis(struct hook_text *);

/*
 * Move the text, with a NUL behind it, to *P (free() it) and its length to
 * *LEN, unless that is NULL.  The text is then as after hook_text_done.
 * Returns 0, or -1 with errno ENOMEM, also for want of memory before.
 */
int hook_text_take(struct hook_text *, char **p, size_t *len);

/*
 * Set *TAGS to "A,B" from the values that say something, to NULL when none
 * does; free() it.  A comma in a value becomes a space.  Returns 0, or -1 with
 * errno ENOMEM.
 */
int hook_text_take_tags(char **tags, const json_t *a, const json_t *b);

/* True for a value that has a text: neither NULL nor null nor "". */
bool hook_text_says(const json_t *);

/* A member of an object that says something, else NULL. */
json_t *hook_text_get(const json_t *object, const char *name);

/*
 * The text of a value that is a link worth opening: a string that begins with
 * http:// or https://, of HOOK_URL_MAX bytes at most, without spaces, control
 * characters, quotes or angle brackets.  NULL for any other.  It belongs to
 * the value.
 */
const char *hook_text_url(const json_t *);

#define HOOK_URL_MAX   2048 /* bytes */
#define HOOK_TAG_CHARS 30   /* code points of a tag */

#endif
