/* SPDX-License-Identifier: ISC */
/*
 * template - a text with {{ actions }}, after Go's text/template, that makes
 * a text of a JSON value.  mpushd-templates(5) has the language.
 * It can only read the value and write the text: it sets no variable, calls
 * nothing but the functions of its own table, and always ends.
 * Pure: any thread.  A compiled template never changes; threads share it.
 * Limits: below.
 */
#ifndef MPUSHD_TEMPLATE_H
#define MPUSHD_TEMPLATE_H

#include <jansson.h>
#include <stddef.h>

#define TEMPLATE_SOURCE_MAX 65536   /* bytes of a source */
#define TEMPLATE_DEPTH_MAX  32      /* blocks in blocks, calls in calls */
#define TEMPLATE_NODES_MAX  4096    /* texts, actions, values, calls */
#define TEMPLATE_ARGS_MAX   16      /* of one call */
#define TEMPLATE_STEPS_MAX  1000000 /* of one rendering */
#define TEMPLATE_STRING_MAX 65536   /* bytes of what a function makes */
#define TEMPLATE_FAULT_TEXT 160     /* bytes of a sentence, with its NUL */

struct hook_text;
struct template;

/* Why a source is no template. */
struct template_fault {
	unsigned int line, column; /* from 1, in code points; 0: no memory */
	char text[TEMPLATE_FAULT_TEXT];
};

/*
 * Compile LEN bytes, which stay the caller's.  Free the template with
 * template_free.  NULL with errno EINVAL or ENOMEM, and *FAULT says why in a
 * sentence without a full stop.
 */
struct template *
template_compile(const char *source, size_t len, struct template_fault *fault);

/* Free a template and set *T to NULL; it may be NULL before. */
void template_free(struct template **t);

/*
 * Append to OUT what a template makes of DATA, which nobody else uses
 * meanwhile; NULL is null.  Rendering ends early, and well, when OUT is cut.
 * Returns 0, or -1 with errno ENOMEM, or E2BIG after TEMPLATE_STEPS_MAX steps;
 * OUT then has what was made until that.
 */
int template_render(const struct template *, const json_t *data,
    struct hook_text *out);

#endif
