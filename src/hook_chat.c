/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hook_chat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hook.h"
#include "hook_text.h"

#define HOOK_JSON_LINES 40

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A message in the making: first the title, which then is left alone. */
struct hook_draft {
	const struct hook_options *opt;
	struct hook_text title, content;
};

/* A piece of a text in mrkdwn. */
struct hook_span {
	const char *s;
	size_t len;
};

/* How urgent Bark's levels, Apprise's types and Slack's colours are. */
static const struct hook_severity words[] = {
	{ "critical", 5 },
	{ "timeSensitive", 4 },
	{ "active", 3 },
	{ "passive", 2 },
	{ "failure", 4 },
	{ "danger", 4 },
	{ "warning", 3 },
	{ "good", 2 },
};

/* What Uptime Kuma's numbers for a state mean. */
static const struct hook_severity kuma_states[] = {
	{ "DOWN", 5 },
	{ "UP", 3 },
	{ "PENDING", 3 },
	{ "MAINTENANCE", 2 },
};

/* The first of two members that says something, or NULL. */
static const json_t *
hook_chat_either(const json_t *body, const char *a, const char *b)
{
	const json_t *value = hook_text_get(body, a);

	return value != NULL ? value : hook_text_get(body, b);
}

static int
hook_chat_word(const json_t *value)
{
	const char *s = json_string_value(value);
	size_t i;

	for (i = 0; s != NULL && i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(words[i].name, s) == 0)
			return words[i].priority;
	}
	return 0;
}

static void
hook_draft_init(struct hook_draft *d, const struct hook_options *opt)
{
	d->opt = opt;
	hook_text_init(&d->title, opt->max_bytes, HOOK_TITLE_CHARS);
	hook_text_init(&d->content, 0, 0);
}

/* Append the body's title, or else the caller's. */
static void
hook_draft_put_title(struct hook_draft *d, const json_t *value)
{
	size_t len = d->title.len;

	hook_text_value(&d->title, value, HOOK_LINE, HOOK_TITLE_CHARS);
	if (d->title.len == len && d->opt->title_len > 0)
		hook_text_string(&d->title, d->opt->title, d->opt->title_len,
		    HOOK_LINE, HOOK_TITLE_CHARS);
}

/* The title is complete: what room it leaves is the content's. */
static void
hook_draft_begin_content(struct hook_draft *d)
{
	hook_text_ellipsis(&d->title);
	hook_text_init(&d->content, d->opt->max_bytes - d->title.len, SIZE_MAX);
}

/* Append a paragraph, unless the value says nothing. */
static void
hook_draft_put_block(struct hook_draft *d, const json_t *value)
{
	if (!hook_text_says(value))
		return;
	hook_text_end_line(&d->content);
	hook_text_value(&d->content, value, HOOK_BLOCK, SIZE_MAX);
}

/* Move both texts to the result; the draft is done with in any case. */
static int
hook_draft_take(struct hook_draft *d, struct hook_result *r)
{
	int status;

	hook_text_ellipsis(&d->content);
	status = hook_text_take(&d->title, &r->title, &r->title_len);
	if (status == 0)
		status =
		    hook_text_take(&d->content, &r->content, &r->content_len);
	hook_text_done(&d->content);
	return status;
}

/* Set the result's link, if there is none yet and the value is one. */
static int
hook_chat_set_url(struct hook_result *r, const json_t *value)
{
	const char *url = hook_text_url(value);

	if (url == NULL || r->url != NULL)
		return 0;
	r->url = strdup(url);
	return r->url != NULL ? 0 : -1;
}

/* A title, a content and a link, as they are. */
static int
hook_chat_render_plain(const struct hook_options *opt, const json_t *title,
    const json_t *content, const json_t *url, struct hook_result *r)
{
	struct hook_draft d;

	hook_draft_init(&d, opt);
	hook_draft_put_title(&d, title);
	hook_draft_begin_content(&d);
	hook_draft_put_block(&d, content);
	if (hook_draft_take(&d, r) == -1)
		return -1;
	return hook_chat_set_url(r, url);
}

/* The index in kuma_states, or the number of them. */
static size_t
hook_chat_kuma_state(const json_t *heartbeat)
{
	json_t *status = json_object_get(heartbeat, "status");
	json_int_t n = json_integer_value(status);

	if (!json_is_integer(status) || n < 0 ||
	    n >= (json_int_t)ARRAY_SIZE(kuma_states))
		return ARRAY_SIZE(kuma_states);
	return (size_t)n;
}

/* "https://db1.example/" or "db1.example:5432" */
static void
hook_chat_put_kuma_place(struct hook_draft *d, const json_t *monitor)
{
	const json_t *url = json_object_get(monitor, "url");
	const json_t *port = json_object_get(monitor, "port");

	/* What watches no URL has an empty "https://" for one. */
	if (hook_text_url(url) != NULL) {
		hook_draft_put_block(d, url);
		return;
	}
	url = json_object_get(monitor, "hostname");
	if (!hook_text_says(url))
		return;
	hook_draft_put_block(d, url);
	if (hook_text_says(port))
		hook_text_puts(&d->content, ":");
	hook_text_value(&d->content, port, HOOK_LINE, HOOK_FIELD_CHARS);
}

/* The time as the sender's people read it. */
static void
hook_chat_put_kuma_time(struct hook_draft *d, const json_t *heartbeat)
{
	const json_t *local = json_object_get(heartbeat, "localDateTime");
	const json_t *zone = json_object_get(heartbeat, "timezone");

	if (hook_text_says(local) && hook_text_says(zone)) {
		hook_draft_put_block(d, local);
		hook_text_puts(&d->content, " ");
		hook_text_value(&d->content, zone, HOOK_LINE, HOOK_FIELD_CHARS);
	} else if (hook_text_get(heartbeat, "time") != NULL) {
		hook_draft_put_block(d, json_object_get(heartbeat, "time"));
		hook_text_puts(&d->content, " UTC");
	}
}

int
hook_chat_render_kuma(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	const json_t *heartbeat = json_object_get(body, "heartbeat");
	const json_t *monitor = json_object_get(body, "monitor");
	const json_t *why = json_object_get(body, "msg");
	size_t state = hook_chat_kuma_state(heartbeat);
	struct hook_draft d;

	hook_draft_init(&d, opt);
	if (state < ARRAY_SIZE(kuma_states)) {
		hook_text_printf(&d.title, "[%s] ", kuma_states[state].name);
		r->priority = kuma_states[state].priority;
	}
	if (hook_text_get(monitor, "name") != NULL || opt->title_len > 0)
		hook_draft_put_title(&d, json_object_get(monitor, "name"));
	else
		hook_text_puts(&d.title, "Uptime Kuma");
	hook_draft_begin_content(&d);
	hook_draft_put_block(&d,
	    hook_text_says(why) ? why : json_object_get(heartbeat, "msg"));
	hook_chat_put_kuma_place(&d, monitor);
	hook_chat_put_kuma_time(&d, heartbeat);
	if (hook_draft_take(&d, r) == -1)
		return -1;
	return hook_chat_set_url(r, json_object_get(monitor, "url"));
}

/* Gotify's 0 to 10 by what its client does with them: none, low, normal... */
static int
hook_chat_gotify_priority(const json_t *value)
{
	const char *s = json_string_value(value);
	double n = json_number_value(value);
	char *end;

	if (s != NULL) {
		n = strtod(s, &end);
		if (end == s || *end != '\0')
			return 0;
	} else if (!json_is_number(value)) {
		return 0;
	}
	return n >= 10 ? 5 : n >= 8 ? 4 : n >= 4 ? 3 : n >= 1 ? 2 : 1;
}

int
hook_chat_render_gotify(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	const json_t *extras = json_object_get(body, "extras");
	const json_t *shown = json_object_get(extras, "client::notification");
	const json_t *type = json_object_get(body, "type");

	r->priority =
	    hook_chat_gotify_priority(json_object_get(body, "priority"));
	if (r->priority == 0)
		r->priority = hook_chat_word(type);
	if (hook_text_take_tags(&r->tags, type, NULL) == -1)
		return -1;
	return hook_chat_render_plain(opt, json_object_get(body, "title"),
	    json_object_get(body, "message"),
	    json_object_get(json_object_get(shown, "click"), "url"), r);
}

int
hook_chat_render_serverchan(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	return hook_chat_render_plain(opt,
	    hook_chat_either(body, "text", "title"),
	    json_object_get(body, "desp"), NULL, r);
}

int
hook_chat_render_bark(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	struct hook_draft d;

	r->priority = hook_chat_word(hook_chat_either(body, "level", "type"));
	if (hook_text_take_tags(&r->tags, json_object_get(body, "group"),
		NULL) == -1)
		return -1;
	hook_draft_init(&d, opt);
	hook_draft_put_title(&d, json_object_get(body, "title"));
	hook_draft_begin_content(&d);
	hook_draft_put_block(&d, json_object_get(body, "subtitle"));
	hook_draft_put_block(&d, json_object_get(body, "body"));
	if (hook_draft_take(&d, r) == -1)
		return -1;
	return hook_chat_set_url(r, json_object_get(body, "url"));
}

/* "http://x|label", "!here", "@U1", "#C1|name": the inside of <...>. */
static bool
hook_chat_is_mark(struct hook_span in)
{
	return in.len > 1 &&
	       (memchr("!@#", *in.s, 3) != NULL ||
		   memmem(in.s, in.len, "://", 3) != NULL ||
		   (in.len > 7 && memcmp(in.s, "mailto:", 7) == 0));
}

static void
hook_chat_put_mark(struct hook_text *t, struct hook_span in)
{
	const char *bar = memchr(in.s, '|', in.len);
	struct hook_span label = { NULL, 0 };

	if (bar != NULL) {
		label.s = bar + 1;
		label.len = in.len - (size_t)(bar + 1 - in.s);
		in.len = (size_t)(bar - in.s);
	}
	if (in.len > 0 && memchr("!@#", *in.s, 3) != NULL) {
		if (*in.s != '!' || label.len == 0)
			hook_text_puts(t, *in.s == '#' ? "#" : "@");
		if (label.len > 0)
			hook_text_put(t, label.s, label.len);
		else
			hook_text_put(t, in.s + 1, in.len - 1);
		return;
	}
	if (label.len == 0) {
		hook_text_put(t, in.s, in.len);
		return;
	}
	hook_text_put(t, label.s, label.len);
	hook_text_puts(t, " (");
	hook_text_put(t, in.s, in.len);
	hook_text_puts(t, ")");
}

/*
 * What begins at *AT with '<' or '&': append what it means and step over it.
 * A '<' ends at the next one, so that many of them are still read in linear
 * time.
 */
static void
hook_chat_put_special(struct hook_text *t, struct hook_span *at)
{
	static const char *const names[] = { "&amp;", "&lt;", "&gt;" };
	static const char *const means[] = { "&", "<", ">" };
	struct hook_span in = { at->s + 1, 0 };
	size_t i, n = 1;

	for (i = 0; *at->s == '&' && i < ARRAY_SIZE(names); i++) {
		n = strlen(names[i]);
		if (at->len >= n && memcmp(at->s, names[i], n) == 0)
			break;
		n = 1;
	}
	if (n > 1) {
		hook_text_puts(t, means[i]);
		goto out;
	}
	while (*at->s == '<' && in.len + 1 < at->len && in.s[in.len] != '<' &&
	       in.s[in.len] != '>')
		in.len++;
	if (in.len + 1 < at->len && in.s[in.len] == '>' &&
	    hook_chat_is_mark(in)) {
		hook_chat_put_mark(t, in);
		n = in.len + 2;
	} else {
		hook_text_put(t, at->s, 1);
	}
out:
	at->s += n;
	at->len -= n;
}

/* Append a paragraph in Slack's mrkdwn, unless the value says nothing. */
static void
hook_chat_put_mrkdwn(struct hook_draft *d, const json_t *value)
{
	struct hook_span at = { json_string_value(value),
		json_string_length(value) };
	size_t n;

	if (at.s == NULL) {
		hook_draft_put_block(d, value);
		return;
	}
	if (at.len > 0)
		hook_text_end_line(&d->content);
	while (at.len > 0 && !d->content.cut) {
		for (n = 0; n < at.len && at.s[n] != '<' && at.s[n] != '&';)
			n++;
		hook_text_put(&d->content, at.s, n);
		at.s += n;
		at.len -= n;
		if (at.len > 0)
			hook_chat_put_special(&d->content, &at);
	}
}

/* A text of the Block Kit: an object with a text, or the text itself. */
static void
hook_chat_put_block_text(struct hook_draft *d, const json_t *value)
{
	const json_t *text = json_object_get(value, "text");

	hook_chat_put_mrkdwn(d, json_is_object(value) ? text : value);
}

/* Header, section and context blocks; the others have no text. */
static void
hook_chat_put_blocks(struct hook_draft *d, const json_t *blocks)
{
	static const char *const lists[] = { "fields", "elements" };
	json_t *block, *part;
	size_t i, j, k;

	json_array_foreach (blocks, i, block) {
		if (d->content.cut)
			return;
		hook_chat_put_block_text(d, json_object_get(block, "text"));
		for (k = 0; k < ARRAY_SIZE(lists); k++) {
			json_array_foreach (json_object_get(block, lists[k]), j,
			    part)
				hook_chat_put_block_text(d, part);
		}
	}
}

/* "Host: db1" */
static void
hook_chat_put_slack_field(struct hook_draft *d, const json_t *field)
{
	const json_t *title = json_object_get(field, "title");
	const json_t *value = json_object_get(field, "value");
	struct hook_text *t = &d->content;

	if (!hook_text_says(title) || !hook_text_says(value)) {
		hook_chat_put_mrkdwn(d, hook_text_says(value) ? value : title);
		return;
	}
	hook_draft_put_block(d, title);
	hook_text_puts(t, ": ");
	hook_text_value(t, value, HOOK_BLOCK, SIZE_MAX);
}

static void
hook_chat_put_attachment(struct hook_draft *d, const json_t *a)
{
	static const char *const parts[] = { "pretext", "title", "text" };
	size_t i, len = d->content.len;
	json_t *field;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		hook_chat_put_mrkdwn(d, json_object_get(a, parts[i]));
	json_array_foreach (json_object_get(a, "fields"), i, field)
		hook_chat_put_slack_field(d, field);
	hook_chat_put_blocks(d, json_object_get(a, "blocks"));
	if (d->content.len == len)
		hook_chat_put_mrkdwn(d, json_object_get(a, "fallback"));
}

/* The attachments' texts, links and colours. */
static int
hook_chat_put_attachments(struct hook_draft *d, const json_t *list,
    struct hook_result *r)
{
	json_t *a;
	size_t i;
	int priority;

	json_array_foreach (list, i, a) {
		if (d->content.cut)
			break;
		hook_chat_put_attachment(d, a);
		priority = hook_chat_word(json_object_get(a, "color"));
		if (priority > r->priority)
			r->priority = priority;
		if (hook_chat_set_url(r, json_object_get(a, "title_link")) ==
		    -1)
			return -1;
	}
	return 0;
}

int
hook_chat_render_slack(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	struct hook_draft d;
	int status;

	hook_draft_init(&d, opt);
	/* The bot's name is less of a title than one given on purpose. */
	hook_draft_put_title(&d,
	    opt->title_len > 0 ? NULL : json_object_get(body, "username"));
	hook_draft_begin_content(&d);
	/* With blocks the text only stands in for them. */
	hook_chat_put_blocks(&d, json_object_get(body, "blocks"));
	if (d.content.len == 0)
		hook_chat_put_mrkdwn(&d, json_object_get(body, "text"));
	status = hook_chat_put_attachments(&d,
	    json_object_get(body, "attachments"), r);
	if (hook_draft_take(&d, r) == -1)
		status = -1;
	return status;
}

int
hook_chat_render_json(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	struct hook_draft d;

	hook_draft_init(&d, opt);
	if (opt->title_len > 0)
		hook_draft_put_title(&d, NULL);
	else
		hook_text_puts(&d.title, "webhook");
	hook_draft_begin_content(&d);
	hook_text_pretty(&d.content, body, HOOK_JSON_LINES);
	return hook_draft_take(&d, r);
}
