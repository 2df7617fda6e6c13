/* SPDX-License-Identifier: ISC */
/*
 * conf_template - TEMPLATES: the administrator's own words for what a webhook
 * says, compiled when the configuration is read.
 * Thread: the acceptor; conf_template_find any.
 * Limits: CONF_TEMPLATE_STARS wildcards in a pattern, so that no id makes the
 * comparison long.
 */
#ifndef MPUSHD_CONF_TEMPLATE_H
#define MPUSHD_CONF_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf.h"
#include "conf_fault.h"

#define CONF_TEMPLATE_STARS 3

struct push_to;
struct template;

/* The parts of a message that a template can make. */
enum conf_template_part {
	CONF_TEMPLATE_TITLE,
	CONF_TEMPLATE_CONTENT,
	CONF_TEMPLATE_PRIORITY,
	CONF_TEMPLATE_URL,
	CONF_TEMPLATE_TAGS,
	CONF_TEMPLATE_KEY,
	CONF_TEMPLATE_PARTS
};

struct conf_template {
	char *name;
	struct conf_list devices; /* patterns of fnmatch(3) */
	char *shape;              /* as hook_recognise names it, or NULL */
	struct template *part[CONF_TEMPLATE_PARTS]; /* NULL: as built in */
};

/*
 * Compile TEMPLATES; what is wrong is reported for the place, and all that was
 * made can be freed.
 */
void conf_template_set(struct conf_templates *, const json_t *,
    const struct conf_place *);

void conf_template_free(struct conf_templates *);

/* The template of that name, or NULL. */
const struct conf_template *
conf_template_find(const struct conf_templates *, const char *name);

/*
 * The first template that is for a body of this shape and for all devices of
 * a request, or NULL.  One with neither pattern nor shape must be named.
 */
const struct conf_template *conf_template_choose(const struct conf_templates *,
    const char *shape, const struct push_to *);

#endif
