/* SPDX-License-Identifier: ISC */
/*
 * Input: a byte that picks the content type, a byte for max_message, the
 * target up to a line feed, the Title header up to a line feed, the body.
 */
#include "config.h"

#include "push.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "conf_object.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const types[] = {
	NULL, "text/plain; charset=utf-8", "application/x-www-form-urlencoded",
	"application/json", "multipart/form-data; boundary=b",
	"Multipart/Form-Data; charset=x; boundary=\"a \\\"b\"", "image/png",
	"", /* the Title header serves as type too */
};

/* A NUL-terminated copy of what precedes the next line feed. */
static char *
take_line(const uint8_t **data, size_t *len)
{
	const uint8_t *eol = memchr(*data, '\n', *len);
	size_t n = eol != NULL ? (size_t)(eol - *data) : *len;
	char *line = malloc(n + 1);

	CHECK(line != NULL);
	memcpy(line, *data, n);
	line[n] = '\0';
	n += eol != NULL;
	*data += n;
	*len -= n;
	return line;
}

static char group_name[] = "g", member_a[] = "a", member_b[] = "b,";
static char *members[] = { member_a, member_b };
static struct conf_group group = { group_name, { members, 2 } };
static const struct conf_groups groups = { &group, 1 };

static void
check_text(const char *text, size_t len)
{
	CHECK(text != NULL && text[len] == '\0');
	CHECK(utf8_valid(text, len) && memchr(text, '\0', len) == NULL);
}

static void
check_id(const char *id, size_t len)
{
	CHECK(proto_id_fault(id, len) == NULL && id[len] == '\0');
}

static void
check_to(const struct push_to *to)
{
	size_t i;

	if (to->several == NULL) {
		check_id(to->id, to->id_len);
		return;
	}
	CHECK(to->several->count > 0 && to->several->count <= ADDRESS_MAX);
	for (i = 0; i < to->several->count; i++)
		check_id(to->several->item[i].id, to->several->item[i].len);
}

static void
check_push(const struct push_request *r, const struct push *p)
{
	if (p->status != 200) {
		CHECK(p->error != NULL && p->title == NULL);
		CHECK(p->content == NULL && p->title_len == 0);
		CHECK(p->status == 400 || p->status == 404 ||
		      p->status == 413 || p->status == 415 || p->status == 500);
		return;
	}
	CHECK(p->error == NULL);
	check_to(&p->to);
	check_text(p->title, p->title_len);
	check_text(p->content, p->content_len);
	CHECK(p->title_len + p->content_len > 0);
	CHECK(p->title_len + p->content_len <= r->max_message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct push_request r = { .max_webhook = 2000, .groups = &groups };
	char id[PROTO_ID_MAX + 1], *target, *title, *body;
	const char *fault;
	struct push_to to;
	struct push p;
	size_t id_len;

	if (len < 2)
		return 0;
	r.content_type = types[data[0] % 8];
	r.max_message = data[1] < 128 ? data[1] : 65536;
	data += 2;
	len -= 2;
	r.target = target = take_line(&data, &len);
	r.title = title = take_line(&data, &len);
	if (r.content_type != NULL && *r.content_type == '\0')
		r.content_type = title;
	/* Of its own size, so that reading past its end is seen. */
	r.body = body = malloc(len > 0 ? len : 1);
	CHECK(body != NULL);
	memcpy(body, data, len);
	r.body_len = len;
	push_parse(&r, &p);
	check_push(&r, &p);
	fault = push_parse_to(target, r.groups, &to);
	CHECK((fault != NULL) == (p.status == 404));
	if (fault == NULL && to.several == NULL) {
		fault = push_parse_id(target, id, &id_len);
		CHECK(fault == NULL && id_len == p.to.id_len);
		CHECK(memcmp(id, p.to.id, id_len + 1) == 0);
	}
	push_to_free(&to);
	push_free(&p);
	free(body);
	free(title);
	free(target);
	return 0;
}
