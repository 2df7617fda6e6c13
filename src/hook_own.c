/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hook_own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_template.h"
#include "hook.h"
#include "hook_group.h"
#include "hook_text.h"
#include "template.h"

#define HOOK_OWN_LINE 4096 /* bytes of a part that is one line */
#define HOOK_OWN_TAGS 255  /* bytes */

/* The parts of a template, rendered; NULL where it has none. */
struct hook_own {
	char *part[CONF_TEMPLATE_PARTS];
	size_t len[CONF_TEMPLATE_PARTS];
};

/* Without the white space before and behind. */
static int
hook_own_take_trimmed(struct hook_text *t, char **text, size_t *len)
{
	static const char space[] = " \t\r\n";
	size_t lead;

	if (hook_text_take(t, text, len) == -1)
		return -1;
	lead = strspn(*text, space);
	*len -= lead;
	memmove(*text, *text + lead, *len + 1);
	while (*len > 0 && strchr(space, (*text)[*len - 1]) != NULL)
		(*text)[--*len] = '\0';
	return 0;
}

/* Render one part: of a block MAX bytes, of a line MAX code points. */
static int
hook_own_render_part(struct hook_own *own, enum conf_template_part i,
    const struct template *t, json_t *body, enum hook_form form, size_t max)
{
	struct hook_text out, line;
	int result;

	hook_text_init(&out, form == HOOK_LINE ? HOOK_OWN_LINE : max, SIZE_MAX);
	result = template_render(t, body, &out);
	if (result == 0 && form == HOOK_LINE) {
		hook_text_init(&line, HOOK_OWN_LINE, max);
		hook_text_string(&line, out.buf, out.len, HOOK_LINE, max);
		hook_text_done(&out);
		out = line;
	}
	if (result == 0) {
		hook_text_ellipsis(&out);
		result =
		    hook_own_take_trimmed(&out, &own->part[i], &own->len[i]);
	}
	hook_text_done(&out);
	return result;
}

static int
hook_own_render_parts(struct hook_own *own, const struct conf_template *t,
    json_t *body, const struct hook_options *opt)
{
	enum conf_template_part i;
	enum hook_form form;
	size_t max;

	for (i = 0; i < CONF_TEMPLATE_PARTS; i++) {
		if (t->part[i] == NULL)
			continue;
		form = i == CONF_TEMPLATE_CONTENT ? HOOK_BLOCK : HOOK_LINE;
		max = i == CONF_TEMPLATE_CONTENT ? opt->max_bytes :
		      i == CONF_TEMPLATE_TITLE   ? HOOK_TITLE_CHARS :
						   HOOK_OWN_LINE;
		if (hook_own_render_part(own, i, t->part[i], body, form, max) ==
		    -1)
			return -1;
	}
	return 0;
}

/* Put a part in the place of a text of the result. */
static void
hook_own_move(struct hook_own *own, enum conf_template_part i, char **text)
{
	if (own->part[i] == NULL)
		return;
	free(*text);
	*text = own->part[i];
	own->part[i] = NULL;
}

static int
hook_own_priority(const char *text, const struct hook_options *opt)
{
	if (text[0] >= '1' && text[0] <= '5' && text[1] == '\0')
		return text[0] - '0';
	return hook_group_severity(text, opt);
}

/* Cut a text so that it has MAX bytes at most. */
static int
hook_own_cut(char **text, size_t *len, size_t max)
{
	struct hook_text t;

	if (*len <= max)
		return 0;
	hook_text_init(&t, max, SIZE_MAX);
	hook_text_put(&t, *text, *len);
	hook_text_ellipsis(&t);
	free(*text);
	*text = NULL;
	*len = 0;
	return hook_text_take(&t, text, len);
}

/* Title and content may only be as long as they are together. */
static int
hook_own_move_texts(struct hook_own *own, size_t max, struct hook_result *r)
{
	bool title = own->part[CONF_TEMPLATE_TITLE] != NULL;
	bool content = own->part[CONF_TEMPLATE_CONTENT] != NULL;
	size_t title_len = title ? own->len[CONF_TEMPLATE_TITLE] : r->title_len;
	size_t content_len =
	    content ? own->len[CONF_TEMPLATE_CONTENT] : r->content_len;

	if (title_len + content_len == 0)
		return 0;
	hook_own_move(own, CONF_TEMPLATE_TITLE, &r->title);
	hook_own_move(own, CONF_TEMPLATE_CONTENT, &r->content);
	r->title_len = title_len;
	r->content_len = content_len;
	if (hook_own_cut(&r->title, &r->title_len, max) == -1)
		return -1;
	return hook_own_cut(&r->content, &r->content_len, max - r->title_len);
}

/* What is no link, or too long a list of tags, is none. */
static void
hook_own_check(struct hook_own *own)
{
	char **url = &own->part[CONF_TEMPLATE_URL];
	char **tags = &own->part[CONF_TEMPLATE_TAGS];
	json_t *value;

	if (*url != NULL) {
		value = json_string(*url);
		if (hook_text_url(value) == NULL)
			**url = '\0';
		json_decref(value);
	}
	if (*tags != NULL && own->len[CONF_TEMPLATE_TAGS] > HOOK_OWN_TAGS)
		**tags = '\0';
}

int
hook_own_render(const struct conf_template *t, json_t *body,
    const struct hook_options *opt, struct hook_result *r)
{
	struct hook_own own = { .part = { NULL } };
	int result = hook_own_render_parts(&own, t, body, opt);
	size_t i;

	if (result == 0) {
		hook_own_check(&own);
		if (own.part[CONF_TEMPLATE_PRIORITY] != NULL)
			r->priority =
			    hook_own_priority(own.part[CONF_TEMPLATE_PRIORITY],
				opt);
		result = hook_own_move_texts(&own, opt->max_bytes, r);
		hook_own_move(&own, CONF_TEMPLATE_URL, &r->url);
		hook_own_move(&own, CONF_TEMPLATE_TAGS, &r->tags);
		hook_own_move(&own, CONF_TEMPLATE_KEY, &r->key);
	}
	for (i = 0; i < CONF_TEMPLATE_PARTS; i++)
		free(own.part[i]);
	return result;
}
