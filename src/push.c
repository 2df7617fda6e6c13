/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "push.h"

#include <endian.h>
#include <errno.h>
#include <sodium/crypto_shorthash.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "conf_template.h"
#include "fields.h"
#include "hook.h"
#include "hook_own.h"
#include "jsonbody.h"
#include "multipart.h"
#include "urlenc.h"

/* A request target, taken apart but not decoded. */
struct push_target {
	const char *path; /* without the first '/' */
	size_t path_len;
	const char *query;
	size_t query_len;
};

/*
 * A content type of the contract's table.  READ sets what the body names and
 * returns 0, or -1 with errno; FAULT says why when errno is not ENOMEM.  JSON
 * has none: push_read_json_body needs to know more.
 */
struct push_type {
	const char *name;
	int (*read)(const struct push_request *, struct fields *);
	const char *fault;
};

static int
push_read_plain(const struct push_request *r, struct fields *fs)
{
	return fields_set(&fs->content, r->body, r->body_len);
}

static int
push_read_form(const struct push_request *r, struct fields *fs)
{
	/* curl -d 'some text': a person meant just that text. */
	if (memchr(r->body, '=', r->body_len) == NULL)
		return push_read_plain(r, fs);
	return urlenc_parse(r->body, r->body_len, fs);
}

static int
push_read_multipart(const struct push_request *r, struct fields *fs)
{
	return multipart_parse(r->content_type, r->body, r->body_len, fs);
}

static const struct push_type types[] = {
	{ "text/plain", push_read_plain, "the body is not a text" },
	{ "application/x-www-form-urlencoded", push_read_form,
	    "the body is not a form" },
	{ "application/json", NULL, "the body is not valid JSON" },
	{ "multipart/form-data", push_read_multipart,
	    "the body is not valid multipart/form-data" },
};

/* The reader for a Content-Type header, or NULL: not in the table. */
static const struct push_type *
push_find_type(const char *header)
{
	size_t i, len = 0;

	if (header != NULL) {
		header += strspn(header, " \t");
		len = strcspn(header, "; \t");
	}
	if (len == 0)
		return &types[0];
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i].name) == len &&
		    strncasecmp(types[i].name, header, len) == 0)
			return &types[i];
	}
	return NULL;
}

/* What follows scheme and authority, or TARGET when it has none. */
static const char *
push_skip_origin(const char *target)
{
	size_t scheme;

	/* As nearly all of them do. */
	if (*target == '/')
		return target;
	scheme = strspn(target,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789+-.");
	if (scheme == 0 || strncmp(target + scheme, "://", 3) != 0)
		return target;
	target += scheme + 3;
	return target + strcspn(target, "/?#");
}

/* Returns NULL, or why the target names no path. */
static const char *
push_split_target(const char *target, struct push_target *t)
{
	memset(t, 0, sizeof(*t));
	target = push_skip_origin(target);
	if (*target != '\0' && strchr("/?#", *target) == NULL)
		return "the request target must be a path that begins with /";
	t->path = target + (*target == '/');
	t->path_len = strcspn(t->path, "?#");
	t->query = t->path + t->path_len;
	if (*t->query == '?')
		t->query_len = strcspn(++t->query, "#");
	return NULL;
}

static const char *
push_decode_id(const struct push_target *t, char id[PROTO_ID_MAX + 1],
    size_t *len)
{
	char plain[PROTO_ID_MAX * 3];
	const char *fault;
	size_t n = t->path_len;

	/* A longer path has too many bytes however it is encoded. */
	if (n <= sizeof(plain))
		n = urlenc_decode(plain, t->path, n, false);
	fault = proto_id_fault(plain, n);
	if (fault != NULL)
		n = 0;
	memcpy(id, plain, n);
	id[n] = '\0';
	*len = n;
	return fault;
}

const char *
push_parse_id(const char *target, char id[PROTO_ID_MAX + 1], size_t *len)
{
	struct push_target t;
	const char *fault;

	id[0] = '\0';
	*len = 0;
	fault = push_split_target(target, &t);
	return fault != NULL ? fault : push_decode_id(&t, id, len);
}

const char *
push_parse_to(const char *target, const struct conf_groups *groups,
    struct push_to *to)
{
	struct push_target t;
	const char *fault;

	memset(to, 0, sizeof(*to));
	fault = push_split_target(target, &t);
	if (fault != NULL)
		return fault;
	if (address_is_list(t.path, t.path_len, groups))
		return address_parse(t.path, t.path_len, groups, &to->several);
	return push_decode_id(&t, to->id, &to->id_len);
}

int
push_to_status(const char *fault)
{
	return fault == ADDRESS_NO_MEMORY ? 500 : 404;
}

void
push_to_free(struct push_to *to)
{
	address_free(&to->several);
}

static int
push_fail(struct push *p, int status, const char *error)
{
	p->status = status;
	p->error = error;
	return -1;
}

/* Take a text of the hook's, if it has one, in place of what is there. */
static int
push_take(struct field *f, char **text, size_t len)
{
	char *taken = *text;

	if (taken == NULL)
		return 0;
	*text = NULL;
	free(f->text);
	f->text = NULL;
	return fields_take(f, taken, len);
}

static void
push_drop(struct field *f)
{
	free(f->text);
	f->text = NULL;
	f->len = 0;
}

/*
 * The same for the same key in every run: a hash that is kept on disk.  Who
 * could make two keys alike may as well name the same one.
 */
static uint64_t
push_hash_key(const char *text, size_t len)
{
	static const unsigned char zeroes[crypto_shorthash_KEYBYTES];
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	if (len == 0)
		return 0;
	crypto_shorthash(out, (const unsigned char *)text, len, zeroes);
	memcpy(&hash, out, sizeof(hash));
	hash = le64toh(hash);
	return hash != 0 ? hash : 1;
}

/*
 * What a hook has rendered is what the body names, but for the query's key.  A
 * plain push that was rendered by a template keeps what that did not make.
 */
static int
push_take_hook(struct hook_result *h, struct fields *fs, struct push *p)
{
	if (strcmp(h->shape, "none") != 0) {
		push_drop(&fs->title);
		push_drop(&fs->content);
		push_drop(&fs->url);
		push_drop(&fs->tags);
		push_drop(&fs->key);
	}
	if (push_take(&fs->title, &h->title, h->title_len) == -1 ||
	    push_take(&fs->content, &h->content, h->content_len) == -1 ||
	    push_take(&fs->url, &h->url, h->url ? strlen(h->url) : 0) == -1 ||
	    push_take(&fs->tags, &h->tags, h->tags ? strlen(h->tags) : 0) == -1)
		return -1;
	if (h->key != NULL)
		p->collapse = push_hash_key(h->key, strlen(h->key));
	p->priority = h->priority;
	p->shape = h->shape;
	p->dedup = h->dedup_key;
	return 0;
}

/* What a JSON body is read with, beside the request. */
struct push_json {
	struct fields query;
	const struct conf_template *named; /* by the query, or NULL */
};

/* A template in place of the built-in rendering, or of parts of it. */
static int
push_render_own(const struct push_request *r, const struct push_json *j,
    json_t *root, const struct hook_options *options, struct hook_result *h,
    struct push *p)
{
	const struct conf_template *t = j->named;

	if (t == NULL && strcmp(h->shape, "none") != 0)
		t = conf_template_choose(r->templates, h->shape, &p->to);
	if (t == NULL || hook_own_render(t, root, options, h) == 0)
		return 0;
	if (errno == ENOMEM)
		return -1;
	/* An alert is worth more than its form. */
	p->failed_template = t->name;
	return 0;
}

/* Render a body that jansson has read.  Returns 0, or -1 for want of memory. */
static int
push_render_hook(const struct push_request *r, const struct push_json *j,
    json_t *root, struct fields *fs, struct push *p)
{
	struct hook_options options = { .max_bytes = r->max_message,
		.title = j->query.title.text,
		.title_len = j->query.title.len,
		.severities = r->severities,
		.severity_count = r->severity_count };
	struct hook_result h;
	int result;

	if (hook_render(root, &options, &h) == -1)
		return -1;
	result = push_render_own(r, j, root, &options, &h, p);
	if (result == 0 && (j->named != NULL || strcmp(h.shape, "none") != 0))
		result = push_take_hook(&h, fs, p);
	hook_result_done(&h);
	return result;
}

/*
 * A JSON body: title and content, or a webhook.  One that is larger than a
 * message can only be a webhook, and is read but once.
 */
static int
push_read_json(const struct push_request *r, const struct push_json *j,
    struct fields *fs, struct push *p)
{
	bool large = r->body_len > r->max_message;
	json_t *root;
	int result;

	if (!large && jsonbody_parse(r->body, r->body_len, fs) == -1 &&
	    (j->named == NULL || errno == ENOMEM))
		return -1;
	if (fs->content.text != NULL && j->named == NULL)
		return 0;
	root = jsonbody_load(r->body, r->body_len);
	/* A number that jansson cannot hold is no reason to refuse a title. */
	if (root == NULL)
		return errno == EBADMSG && !large && j->named == NULL ? 0 : -1;
	result = push_render_hook(r, j, root, fs, p);
	json_decref(root);
	if (result == 0 && large && fs->content.text == NULL)
		return push_fail(p, 413, "the body is larger than MAX_MESSAGE");
	return result;
}

static int
push_read_json_body(const struct push_request *r, const struct push_target *t,
    struct fields *fs, struct push *p)
{
	struct push_json j = { .named = NULL };
	const char *name;
	int result = -1;

	if (urlenc_parse(t->query, t->query_len, &j.query) == 0) {
		name = j.query.template.text;
		if (name != NULL)
			j.named = conf_template_find(r->templates, name);
		result = name != NULL && j.named == NULL ?
			     push_fail(p, 400,
				 "there is no template of that name in "
				 "TEMPLATES") :
			     push_read_json(r, &j, fs, p);
	}
	fields_free(&j.query);
	return result;
}

static int
push_check_body_size(const struct push_request *r, bool json, struct push *p)
{
	if (json && r->body_len > r->max_webhook &&
	    r->body_len > r->max_message)
		return push_fail(p, 413, "the body is larger than MAX_WEBHOOK");
	if (!json && r->body_len > r->max_message)
		return push_fail(p, 413, "the body is larger than MAX_MESSAGE");
	return 0;
}

static int
push_read_body(const struct push_request *r, const struct push_target *t,
    struct fields *fs, struct push *p)
{
	const struct push_type *type;
	bool json;
	int result;

	if (r->body == NULL || r->body_len == 0)
		return 0;
	type = push_find_type(r->content_type);
	json = type != NULL && type->read == NULL;
	if (push_check_body_size(r, json, p) == -1)
		return -1;
	if (type == NULL)
		return push_fail(p, 415,
		    "the Content-Type must be a form, JSON or text/plain");
	if (r->encoded)
		return push_fail(p, 415,
		    "a body is not decompressed: no Content-Encoding, please");
	result = json ? push_read_json_body(r, t, fs, p) : type->read(r, fs);
	if (result == 0 || p->status != 200)
		return result;
	if (errno == ENOMEM)
		return push_fail(p, 500, "out of memory");
	if (json && errno == E2BIG)
		return push_fail(p, 413, "the JSON has too many members");
	return push_fail(p, 400, type->fault);
}

/* Fill in from query and header what the body has not named. */
static int
push_read_rest(const struct push_request *r, const struct push_target *t,
    struct fields *fs, struct push *p)
{
	if (urlenc_parse(t->query, t->query_len, fs) == -1)
		goto fail;
	if (fs->title.text == NULL && r->title != NULL &&
	    fields_set(&fs->title, r->title, strlen(r->title)) == -1)
		goto fail;
	if (fs->priority.text == NULL && r->priority != NULL &&
	    fields_set(&fs->priority, r->priority, strlen(r->priority)) == -1)
		goto fail;
	if (fs->title.text == NULL && fields_set(&fs->title, "", 0) == -1)
		goto fail;
	if (fs->content.text == NULL && fields_set(&fs->content, "", 0) == -1)
		goto fail;
	return 0;
fail:
	return push_fail(p, 500, "out of memory");
}

static int
push_check_size(const struct fields *fs, size_t max, struct push *p)
{
	if (fs->title.len + fs->content.len == 0)
		return push_fail(p, 400, "neither title nor content");
	if (fs->title.len > max || fs->content.len > max - fs->title.len)
		return push_fail(p, 413,
		    "title and content are larger than MAX_MESSAGE");
	if (fs->url.len > PUSH_URL_MAX)
		return push_fail(p, 413, "the url is larger than 2048 bytes");
	if (fs->tags.len > PUSH_TAGS_MAX)
		return push_fail(p, 413, "the tags are larger than 255 bytes");
	if (fs->key.len > PUSH_KEY_MAX)
		return push_fail(p, 413, "the key is larger than 512 bytes");
	return 0;
}

/* 1 to 5; what is no such number says nothing. */
static void
push_read_priority(const struct fields *fs, struct push *p)
{
	const char *text = fs->priority.text;

	if (fs->priority.len == 1 && text[0] >= '1' && text[0] <= '5')
		p->priority = text[0] - '0';
}

static bool
push_field_is(const struct field *f, const char *text)
{
	return f->text != NULL && strcmp(f->text, text) == 0;
}

/* How the publisher wants to be answered; what is neither says nothing. */
static int
push_read_manner(const struct fields *fs, struct push *p)
{
	p->no_wait = push_field_is(&fs->wait, "0");
	p->require_ack = push_field_is(&fs->require, "ack");
	if (p->no_wait && p->require_ack)
		return push_fail(p, 400,
		    "wait=0 and require=ack exclude each other");
	return 0;
}

/* Move a text that is set, and not empty. */
static char *
push_move(struct field *f, size_t *len)
{
	char *text = f->text;

	if (f->len == 0)
		return NULL;
	*len = f->len;
	f->text = NULL;
	return text;
}

void
push_parse(const struct push_request *r, struct push *p)
{
	struct fields fs = { .title = { NULL, 0 } };
	struct push_target t;
	const char *fault;

	memset(p, 0, sizeof(*p));
	p->status = 200;
	p->shape = "none";
	fault = push_parse_to(r->target, r->groups, &p->to);
	if (fault != NULL) {
		push_fail(p, push_to_status(fault), fault);
		return;
	}
	(void)push_split_target(r->target, &t);
	if (push_read_body(r, &t, &fs, p) == -1 ||
	    push_read_rest(r, &t, &fs, p) == -1 ||
	    push_check_size(&fs, r->max_message, p) == -1 ||
	    push_read_manner(&fs, p) == -1) {
		fields_free(&fs);
		return;
	}
	p->title = fs.title.text;
	p->title_len = fs.title.len;
	p->content = fs.content.text;
	p->content_len = fs.content.len;
	fs.title.text = fs.content.text = NULL;
	p->url = push_move(&fs.url, &p->url_len);
	p->tags = push_move(&fs.tags, &p->tags_len);
	push_read_priority(&fs, p);
	if (fs.key.text != NULL)
		p->collapse = push_hash_key(fs.key.text, fs.key.len);
	fields_free(&fs);
}

void
push_free(struct push *p)
{
	free(p->title);
	free(p->content);
	free(p->url);
	free(p->tags);
	push_to_free(&p->to);
	p->title = p->content = p->url = p->tags = NULL;
	p->title_len = p->content_len = p->url_len = p->tags_len = 0;
}
