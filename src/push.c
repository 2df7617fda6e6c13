/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fields.h"
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
 * returns 0, or -1 with errno; FAULT says why when errno is not ENOMEM.
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
push_read_json(const struct push_request *r, struct fields *fs)
{
	return jsonbody_parse(r->body, r->body_len, fs);
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
	{ "application/json", push_read_json, "the body is not valid JSON" },
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

static int
push_fail(struct push *p, int status, const char *error)
{
	p->status = status;
	p->error = error;
	return -1;
}

static int
push_read_body(const struct push_request *r, struct fields *fs, struct push *p)
{
	const struct push_type *type;

	if (r->body == NULL || r->body_len == 0)
		return 0;
	if (r->body_len > r->max_message)
		return push_fail(p, 413, "the body is larger than MAX_MESSAGE");
	type = push_find_type(r->content_type);
	if (type == NULL)
		return push_fail(p, 415,
		    "the Content-Type must be a form, JSON or text/plain");
	if (type->read(r, fs) == 0)
		return 0;
	if (errno == ENOMEM)
		return push_fail(p, 500, "out of memory");
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
	return 0;
}

void
push_parse(const struct push_request *r, struct push *p)
{
	struct fields fs = { { NULL, 0 }, { NULL, 0 } };
	struct push_target t;
	const char *fault;

	p->status = 200;
	p->error = NULL;
	p->id[0] = '\0';
	p->id_len = 0;
	p->title = p->content = NULL;
	p->title_len = p->content_len = 0;
	fault = push_split_target(r->target, &t);
	if (fault == NULL)
		fault = push_decode_id(&t, p->id, &p->id_len);
	if (fault != NULL) {
		push_fail(p, 404, fault);
		return;
	}
	if (push_read_body(r, &fs, p) == -1 ||
	    push_read_rest(r, &t, &fs, p) == -1 ||
	    push_check_size(&fs, r->max_message, p) == -1) {
		fields_free(&fs);
		return;
	}
	p->title = fs.title.text;
	p->title_len = fs.title.len;
	p->content = fs.content.text;
	p->content_len = fs.content.len;
}

void
push_free(struct push *p)
{
	free(p->title);
	free(p->content);
	p->title = p->content = NULL;
	p->title_len = p->content_len = 0;
}
