/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hook_alert.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hook.h"
#include "hook_group.h"
#include "hook_text.h"

#define HOOK_WORD_CHARS     60   /* code points of a name in a title */
#define HOOK_SEVERITY_CHARS 24   /* of a severity */
#define HOOK_PROSE_CHARS    2000 /* of a summary, a description */
#define HOOK_DISTINCT       5    /* names of one kind in a title */
#define HOOK_PAIRS          32   /* labels in a line */
#define HOOK_PRIORITY       3    /* of a severity that is not in the table */
#define HOOK_SILENCE_MAX    4096 /* bytes of a link */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A notification being rendered. */
struct hook_page {
	struct hook_group group;
	const struct hook_options *opt;
	bool grafana;
};

/* A member that is a link, and what it is called. */
struct hook_link {
	const char *member, *label;
};

static const char *const places[] = { "instance", "host", "hostname", "node",
	"pod", "service", "job" };

static const char *const prose[] = { "summary", "description", "message" };

static const struct hook_link annotation_links[] = {
	{ "runbook_url", "Runbook" },
	{ "runbook", "Runbook" },
	{ "dashboard_url", "Dashboard" },
};

static const struct hook_link alert_links[] = {
	{ "panelURL", "Panel" },
	{ "dashboardURL", "Dashboard" },
	{ "generatorURL", "Source" },
	{ "silenceURL", "Silence" },
};

/* The name of the label that says where; NULL when there is none. */
static const char *
hook_alert_place(const json_t *labels)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (hook_text_get(labels, places[i]) != NULL)
			return places[i];
	}
	return NULL;
}

static const json_t *
hook_alert_find_place(const json_t *labels)
{
	const char *name = hook_alert_place(labels);

	return name != NULL ? json_object_get(labels, name) : NULL;
}

static const json_t *
hook_alert_find_name(const json_t *labels)
{
	return hook_text_get(labels, "alertname");
}

/* The labels of the alert that matters most, else those of the group. */
static const json_t *
hook_alert_first_labels(const struct hook_group *g)
{
	return g->count > 0 ? g->alerts[0].labels : g->labels;
}

static void
hook_alert_put_status(struct hook_text *t, const struct hook_group *g)
{
	const char *status =
	    json_string_value(json_object_get(g->body, "status"));

	if (g->count > 0 && g->firing == 0)
		hook_text_puts(t, "[RESOLVED] ");
	else if (g->count > 0 && g->firing == g->count)
		hook_text_printf(t, "[FIRING:%zu] ", g->firing);
	else if (g->count > 0)
		hook_text_printf(t, "[FIRING:%zu RESOLVED:%zu] ", g->firing,
		    g->count - g->firing);
	else if (status != NULL && strcmp(status, "firing") == 0)
		hook_text_puts(t, "[FIRING] ");
	else if (status != NULL && strcmp(status, "resolved") == 0)
		hook_text_puts(t, "[RESOLVED] ");
}

/* "db1:9100" without the port; "::1" and what is no host stay. */
static void
hook_alert_strip_port(struct hook_text *word)
{
	size_t n = word->len;
	const char *colon = memchr(word->buf, ':', n);

	if (n > 0 && word->buf[0] == '[') {
		colon = memchr(word->buf, ']', n);
		colon = colon != NULL ? colon + 1 : NULL;
	}
	while (n > 0 && word->buf[n - 1] >= '0' && word->buf[n - 1] <= '9')
		n--;
	if (n < 2 || n == word->len || word->buf[n - 1] != ':' ||
	    colon != word->buf + n - 1)
		return;
	hook_text_rewind(word, n - 1);
}

/* Append ", WORD" to a list, unless it is in it; true when the list is full. */
static bool
hook_alert_put_distinct(struct hook_text *list, const struct hook_text *word,
    size_t at[HOOK_DISTINCT + 1], size_t *n)
{
	size_t i;

	for (i = 0; i < *n; i++) {
		if (at[i + 1] - at[i] - 2 == word->len &&
		    memcmp(list->buf + at[i] + 2, word->buf, word->len) == 0)
			return false;
	}
	hook_text_puts(list, ", ");
	if (*n == HOOK_DISTINCT) {
		hook_text_puts(list, "\xe2\x80\xa6");
		return true;
	}
	hook_text_append(list, word);
	at[++*n] = list->len;
	return false;
}

/*
 * Append " a, b" with what FIND finds in the firing alerts, or in the resolved
 * ones when none fires.
 */
static void
hook_alert_put_words(struct hook_text *t, const struct hook_group *g,
    const json_t *(*find)(const json_t *))
{
	size_t i, last = g->firing > 0 ? g->firing : g->count, n = 0;
	size_t at[HOOK_DISTINCT + 1] = { 0 };
	struct hook_text word, list;
	bool full = false;

	hook_text_init(&word, SIZE_MAX, HOOK_WORD_CHARS);
	hook_text_init(&list, SIZE_MAX, SIZE_MAX);
	for (i = 0; i < (last > 0 ? last : 1) && !full; i++) {
		hook_text_rewind(&word, 0);
		hook_text_value(&word,
		    find(last > 0 ? g->alerts[i].labels : g->labels), HOOK_LINE,
		    HOOK_WORD_CHARS);
		if (word.len > 0 && find == hook_alert_find_place)
			hook_alert_strip_port(&word);
		if (word.len > 0)
			full = hook_alert_put_distinct(&list, &word, at, &n);
	}
	if (list.len > 0)
		hook_text_puts(t, t->len > 0 ? " " : "");
	if (list.len > 0)
		hook_text_put(t, list.buf + 2, list.len - 2);
	t->failed |= word.failed || list.failed;
	hook_text_done(&word);
	hook_text_done(&list);
}

/* Append " (critical)", if there is a severity. */
static void
hook_alert_put_severity(struct hook_text *t, const json_t *labels)
{
	const json_t *severity = hook_text_get(labels, "severity");

	if (severity == NULL)
		return;
	hook_text_puts(t, " (");
	hook_text_value(t, severity, HOOK_LINE, HOOK_SEVERITY_CHARS);
	hook_text_puts(t, ")");
}

/* "[FIRING:2 RESOLVED:1] HighLoad db1, db2 (critical)" */
static void
hook_alert_put_title(const struct hook_page *p, struct hook_text *t)
{
	const struct hook_group *g = &p->group;
	struct hook_text words, severity;

	hook_text_init(&severity, t->max / 2, t->max_chars / 2);
	hook_alert_put_severity(&severity, hook_alert_first_labels(g));
	hook_alert_put_status(t, g);
	hook_text_init(&words, t->max - t->len, t->max_chars - t->chars);
	if (severity.cut || words.max < severity.len)
		hook_text_rewind(&severity, 0);
	words.max -= severity.len;
	words.max_chars -= severity.chars;
	hook_alert_put_words(&words, g, hook_alert_find_name);
	hook_alert_put_words(&words, g, hook_alert_find_place);
	if (words.len == 0)
		hook_text_puts(&words, p->grafana ? "Grafana" : "Alertmanager");
	hook_text_ellipsis(&words);
	hook_text_append(t, &words);
	hook_text_append(t, &severity);
	hook_text_done(&words);
	hook_text_done(&severity);
}

/* "FIRING HighLoad db1:9100 (critical) since 06:00 UTC" */
static void
hook_alert_put_head(const struct hook_page *p, struct hook_text *t,
    const struct hook_alert *a)
{
	const json_t *name = hook_alert_find_name(a->labels);
	const json_t *place = hook_alert_find_place(a->labels);
	int64_t end = hook_group_read_time(json_object_get(a->json, "endsAt"));

	hook_text_puts(t, a->resolved ? "RESOLVED " : "FIRING ");
	if (name != NULL)
		hook_text_value(t, name, HOOK_LINE, HOOK_FIELD_CHARS);
	else
		hook_text_puts(t, "alert");
	hook_text_puts(t, place != NULL ? " " : "");
	hook_text_value(t, place, HOOK_LINE, HOOK_FIELD_CHARS);
	hook_alert_put_severity(t, a->labels);
	if (a->start != HOOK_TIME_NONE) {
		hook_text_puts(t, " since ");
		hook_group_put_time(&p->group, t, a->start);
	}
	if (a->resolved && end != HOOK_TIME_NONE) {
		hook_text_puts(t, " until ");
		hook_group_put_time(&p->group, t, end);
	}
	hook_text_puts(t, "\n");
}

/* True when OBJECT has the member, and COMMON does not say the same. */
static bool
hook_alert_is_own(const json_t *object, const json_t *common, const char *name)
{
	const json_t *value = hook_text_get(object, name);

	return value != NULL &&
	       !json_equal(value, json_object_get(common, name));
}

static void
hook_alert_put_prose(struct hook_text *t, const json_t *annotations,
    const json_t *common)
{
	const json_t *value, *last = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prose); i++) {
		if (!hook_alert_is_own(annotations, common, prose[i]))
			continue;
		value = json_object_get(annotations, prose[i]);
		if (json_equal(value, last))
			continue;
		hook_text_value(t, value, HOOK_BLOCK, HOOK_PROSE_CHARS);
		hook_text_end_line(t);
		last = value;
	}
}

/* A line that is there as a whole or not at all: half a link is none. */
static void
hook_alert_put_link(struct hook_text *t, const char *label, const char *url,
    size_t url_len)
{
	size_t len = t->len;

	if (t->cut)
		return;
	hook_text_printf(t, "%s: ", label);
	hook_text_put(t, url, url_len);
	hook_text_puts(t, "\n");
	if (t->cut)
		hook_text_rewind(t, len);
}

static void
hook_alert_put_links(struct hook_text *t, const json_t *object,
    const json_t *common, const struct hook_link *links, size_t count)
{
	const char *label = "", *url;
	size_t i;

	for (i = 0; i < count; i++) {
		url = hook_text_url(json_object_get(object, links[i].member));
		if (url == NULL || strcmp(links[i].label, label) == 0 ||
		    !hook_alert_is_own(object, common, links[i].member))
			continue;
		hook_alert_put_link(t, links[i].label, url, strlen(url));
		label = links[i].label;
	}
}

/* Labels that other parts of the rendering show, or that are for programs. */
static bool
hook_alert_is_shown(const char *name, const char *place)
{
	return strcmp(name, "alertname") == 0 ||
	       strcmp(name, "severity") == 0 || strncmp(name, "__", 2) == 0 ||
	       (place != NULL && strcmp(name, place) == 0);
}

/* "Labels: job=node, device=sda1" without what COMMON says and PLACE. */
static void
hook_alert_put_pairs(struct hook_text *t, const char *label, json_t *object,
    const json_t *common, const char *place)
{
	const char *name;
	json_t *value;
	size_t n = 0;

	json_object_foreach (object, name, value) {
		if (hook_alert_is_shown(name, place) ||
		    !hook_alert_is_own(object, common, name))
			continue;
		hook_text_puts(t, n == 0 ? label : ", ");
		hook_text_puts(t, n == 0 ? ": " : "");
		if (n++ == HOOK_PAIRS) {
			hook_text_puts(t, "\xe2\x80\xa6");
			break;
		}
		hook_text_string(t, name, strlen(name), HOOK_LINE,
		    HOOK_FIELD_CHARS);
		hook_text_puts(t, "=");
		hook_text_value(t, value, HOOK_LINE, HOOK_FIELD_CHARS);
	}
	if (n > 0)
		hook_text_puts(t, "\n");
}

/* What an alert has of its own. */
static void
hook_alert_put_details(const struct hook_page *p, struct hook_text *t,
    const struct hook_alert *a)
{
	const struct hook_group *g = &p->group;

	hook_alert_put_prose(t, a->annotations, g->annotations);
	if (p->grafana)
		hook_alert_put_pairs(t, "Values",
		    json_object_get(a->json, "values"), NULL, NULL);
	hook_alert_put_pairs(t, "Labels", json_object_get(a->json, "labels"),
	    g->labels, hook_alert_place(a->labels));
	hook_alert_put_links(t, a->annotations, g->annotations,
	    annotation_links, ARRAY_SIZE(annotation_links));
	hook_alert_put_links(t, a->json, g->members, alert_links,
	    ARRAY_SIZE(alert_links));
}

/*
 * Append the alerts, as many as have room for their line; returns how many.
 * Those with details stand apart.
 */
static size_t
hook_alert_put_list(const struct hook_page *p, struct hook_text *t)
{
	const struct hook_group *g = &p->group;
	bool apart = false;
	size_t i, start, body;

	for (i = 0; i < g->count && !t->cut; i++) {
		start = t->len;
		hook_text_puts(t, apart ? "\n" : "");
		hook_alert_put_head(p, t, &g->alerts[i]);
		if (t->cut && i > 0) {
			hook_text_rewind(t, start);
			return i;
		}
		body = t->len;
		hook_alert_put_details(p, t, &g->alerts[i]);
		apart = t->len > body;
	}
	hook_text_ellipsis(t);
	return t->len > 0 ? i : 0;
}

/*
 * "Receiver: ops.db", which the body quotes for a regular expression: all
 * backslashes in it are from Go's regexp.QuoteMeta.
 */
static void
hook_alert_put_receiver(struct hook_text *t, const json_t *receiver)
{
	const char *s = json_string_value(receiver), *next;
	size_t len = json_string_length(receiver), n;
	struct hook_text plain;

	if (len == 0)
		return;
	hook_text_init(&plain, SIZE_MAX, HOOK_FIELD_CHARS + 1);
	for (; len > 0 && !plain.cut; s += n, len -= n) {
		if (*s == '\\' && len > 1) {
			s++;
			len--;
		}
		next = memchr(s + 1, '\\', len - 1);
		n = next != NULL ? (size_t)(next - s) : len;
		hook_text_put(&plain, s, n);
	}
	hook_text_puts(t, "Receiver: ");
	hook_text_string(t, plain.buf, plain.len, HOOK_LINE, HOOK_FIELD_CHARS);
	hook_text_puts(t, "\n");
	t->failed |= plain.failed;
	hook_text_done(&plain);
}

/* True for a name that a matcher may have without quotes. */
static bool
hook_alert_is_bare(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return *name != '\0' && (*name < '0' || *name > '9') &&
	       name[strspn(name, letters)] == '\0';
}

/* Append a string in the quotes of a matcher. */
static void
hook_alert_put_quoted(struct hook_text *t, const struct hook_text *s)
{
	size_t i, run = 0;

	hook_text_puts(t, "\"");
	for (i = 0; i < s->len; i++) {
		if (strchr("\"\\\n", s->buf[i]) == NULL)
			continue;
		hook_text_put(t, s->buf + run, i - run);
		hook_text_puts(t, "\\");
		hook_text_puts(t, s->buf[i] == '\n' ? "n" : "");
		run = s->buf[i] == '\n' ? i + 1 : i;
	}
	if (run < s->len)
		hook_text_put(t, s->buf + run, s->len - run);
	hook_text_puts(t, "\"");
}

/* Append {alertname="HighLoad",job="node"}, the whole of it or cut. */
static void
hook_alert_put_matchers(struct hook_text *t, json_t *labels)
{
	struct hook_text word;
	const char *name;
	json_t *value;

	json_object_foreach (labels, name, value) {
		hook_text_puts(t, t->len == 0 ? "{" : ",");
		hook_text_init(&word, t->max, SIZE_MAX);
		hook_text_puts(&word, name);
		if (hook_alert_is_bare(name))
			hook_text_append(t, &word);
		else
			hook_alert_put_quoted(t, &word);
		hook_text_puts(t, "=");
		hook_text_rewind(&word, 0);
		hook_text_value(&word, value, HOOK_BLOCK, SIZE_MAX);
		hook_alert_put_quoted(t, &word);
		t->cut |= word.cut;
		t->failed |= word.failed;
		hook_text_done(&word);
		if (t->cut)
			return;
	}
	hook_text_puts(t, t->len > 0 ? "}" : "");
}

/* Append a text percent-encoded (RFC 3986 2.1). */
static void
hook_alert_put_encoded(struct hook_text *t, const struct hook_text *s)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	size_t i;

	for (i = 0; i < s->len; i++) {
		if (s->buf[i] != '\0' && strchr(bare, s->buf[i]) != NULL)
			hook_text_put(t, s->buf + i, 1);
		else
			hook_text_printf(t, "%%%02X",
			    (unsigned int)(unsigned char)s->buf[i]);
	}
}

/*
 * A link to a form that silences LABELS; false when there is none, because it
 * would silence everything or be too long.
 */
static bool
hook_alert_put_silence(struct hook_text *t, const char *url, json_t *labels)
{
	struct hook_text matchers, link;
	size_t len = strlen(url);
	bool good;

	hook_text_init(&matchers, HOOK_SILENCE_MAX, SIZE_MAX);
	hook_text_init(&link, HOOK_SILENCE_MAX, SIZE_MAX);
	hook_alert_put_matchers(&matchers, labels);
	while (len > 0 && url[len - 1] == '/')
		len--;
	hook_text_put(&link, url, len);
	hook_text_puts(&link, "/#/silences/new?filter=");
	hook_alert_put_encoded(&link, &matchers);
	good = matchers.len > 0 && !matchers.cut && !link.cut;
	if (good)
		hook_alert_put_link(t, "Silence", link.buf, link.len);
	t->failed |= matchers.failed || link.failed;
	hook_text_done(&matchers);
	hook_text_done(&link);
	return good;
}

/* What all alerts have in common. */
static void
hook_alert_put_common(const struct hook_page *p, struct hook_text *t)
{
	const struct hook_group *g = &p->group;
	const char *url =
	    hook_text_url(json_object_get(g->body, "externalURL"));
	const char *place =
	    g->count > 0 ? hook_alert_place(g->alerts[0].labels) : NULL;

	hook_alert_put_prose(t, g->annotations, NULL);
	hook_alert_put_pairs(t, "Labels", g->labels, NULL, place);
	hook_alert_put_receiver(t, json_object_get(g->body, "receiver"));
	hook_alert_put_links(t, g->annotations, NULL, annotation_links,
	    ARRAY_SIZE(annotation_links));
	hook_alert_put_links(t, g->members, NULL, alert_links,
	    ARRAY_SIZE(alert_links));
	if (!p->grafana && url != NULL &&
	    !hook_alert_put_silence(t, url, g->labels))
		hook_alert_put_silence(t, url,
		    json_object_get(g->body, "groupLabels"));
	hook_text_ellipsis(t);
}

/* Grafana's message, unless it only lists the alerts as we do. */
static void
hook_alert_put_message(const struct hook_page *p, struct hook_text *t)
{
	const json_t *message = hook_text_get(p->group.body, "message");
	const char *s = json_string_value(message);

	if (!p->grafana || message == NULL)
		return;
	if (p->group.count > 0 && s != NULL &&
	    (strncmp(s, "**Firing**", 10) == 0 ||
		strncmp(s, "**Resolved**", 12) == 0))
		return;
	hook_text_value(t, message, HOOK_BLOCK, HOOK_PROSE_CHARS);
	hook_text_end_line(t);
	hook_text_puts(t, p->group.count > 0 ? "\n" : "");
}

/* Put the parts together; the list of alerts gets what room the others leave. */
static void
hook_alert_put_content(const struct hook_page *p, struct hook_text *t)
{
	const struct hook_group *g = &p->group;
	size_t total = g->count + g->absent, max = t->max, kept;
	struct hook_text common;
	char more[32];

	hook_text_init(&common, max / 2, SIZE_MAX);
	hook_alert_put_common(p, &common);
	(void)snprintf(more, sizeof(more), "+%zu more", total);
	kept = common.len + 2 + (total > 1 ? strlen(more) + 1 : 0);
	t->max = max > kept ? max - kept : 0;
	hook_alert_put_message(p, t);
	total -= hook_alert_put_list(p, t);
	t->max = max;
	t->cut = t->failed |= common.failed;
	hook_text_end_line(t);
	if (g->count > 1 && t->len > 0 && common.len > 0)
		hook_text_puts(t, "\n");
	hook_text_append(t, &common);
	hook_text_end_line(t);
	(void)snprintf(more, sizeof(more), "+%zu more", total);
	if (total > 0)
		hook_text_try(t, more);
	while (t->len > 0 && t->buf[t->len - 1] == '\n')
		hook_text_rewind(t, t->len - 1);
	hook_text_done(&common);
}

/* The highest priority of the firing alerts, or of the resolved ones. */
static int
hook_alert_priority(const struct hook_group *g)
{
	size_t i, last = g->firing > 0 ? g->firing : g->count;
	int priority, highest = 0;

	for (i = 0; i < last; i++) {
		priority = g->alerts[i].priority;
		if (priority == 0)
			priority = HOOK_PRIORITY;
		if (priority > highest)
			highest = priority;
	}
	return highest > 0 ? highest : HOOK_PRIORITY;
}

/* The link that shows most of the alert that matters most. */
static const char *
hook_alert_find_url(const struct hook_group *g)
{
	static const char *const names[] = { "panelURL", "dashboardURL",
		"generatorURL" };
	const char *url = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names) && g->count > 0 && url == NULL; i++)
		url =
		    hook_text_url(json_object_get(g->alerts[0].json, names[i]));
	if (url == NULL)
		url = hook_text_url(json_object_get(g->body, "externalURL"));
	return url;
}

static int
hook_alert_take_tags(const struct hook_group *g, char **tags)
{
	const json_t *labels = hook_alert_first_labels(g);

	return hook_text_take_tags(tags, hook_text_get(labels, "severity"),
	    hook_alert_find_name(labels));
}

static int
hook_alert_render(const struct hook_page *p, struct hook_result *r)
{
	const struct hook_group *g = &p->group;
	const char *url = hook_alert_find_url(g);
	const json_t *title = hook_text_get(g->body, "title");
	struct hook_text t;

	hook_text_init(&t, p->opt->max_bytes, HOOK_TITLE_CHARS);
	if (p->grafana && title != NULL)
		hook_text_value(&t, title, HOOK_LINE, HOOK_TITLE_CHARS);
	if (t.len == 0)
		hook_alert_put_title(p, &t);
	hook_text_ellipsis(&t);
	if (hook_text_take(&t, &r->title, &r->title_len) == -1)
		return -1;
	hook_text_init(&t, p->opt->max_bytes - r->title_len, SIZE_MAX);
	hook_alert_put_content(p, &t);
	if (hook_text_take(&t, &r->content, &r->content_len) == -1)
		return -1;
	r->priority = hook_alert_priority(g);
	r->dedup_key = hook_group_hash(g, p->opt);
	if (url != NULL && (r->url = strdup(url)) == NULL)
		return -1;
	if (hook_group_take_key(g, p->opt, &r->key) == -1)
		return -1;
	return hook_alert_take_tags(g, &r->tags);
}

static int
hook_alert_load(json_t *body, const struct hook_options *opt, bool grafana,
    struct hook_result *r)
{
	struct hook_page p = { .opt = opt, .grafana = grafana };
	int status;

	if (hook_group_init(&p.group, body, opt) == -1)
		return -1;
	status = hook_alert_render(&p, r);
	hook_group_done(&p.group);
	return status;
}

int
hook_alert_render_alertmanager(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	return hook_alert_load(body, opt, false, r);
}

int
hook_alert_render_grafana(json_t *body, const struct hook_options *opt,
    struct hook_result *r)
{
	return hook_alert_load(body, opt, true, r);
}
