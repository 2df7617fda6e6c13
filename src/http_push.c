/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <string.h>

#include "address.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "fanout.h"
#include "http.h"
#include "http_impl.h"
#include "http_reply.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "proto.h"
#include "push.h"
#include "tevent.h"
#include "worker.h"

/* A push is answered for one device. */
static void
http_count_push(const struct conn *c, enum answer answer)
{
	if (c->asked_at == 0)
		return;
	metrics_count_push(http_reply_word(answer), c->shape);
	metrics_count_refusal(http_reply_of(answer)->why);
}

/*
 * Publishers are told to try again, but many do not: the administrator should
 * know that there is no room.
 */
static void
http_warn_refused(const struct conn *c, const char *id, size_t len,
    enum answer answer)
{
	static struct log_limit limit;
	unsigned int left_out;

	if ((answer != ANSWER_QUEUE_FULL && answer != ANSWER_STORE_FULL &&
		answer != ANSWER_NO_MEMORY) ||
	    !log_may(&limit, worker_now(c->conns->worker), &left_out))
		return;
	log_event(LOG_WARNING,
	    LOG_FIELDS(log_bytes("device", id, len),
		log_text("peer", conn_peer(c)),
		log_number("left_out", left_out)),
	    "http: refused a push: %s", http_reply_of(answer)->error);
}

/* And so is the request. */
static void
http_observe_push(struct conn *c)
{
	if (c->asked_at != 0)
		metrics_observe(METRICS_PUSH_LATENCY,
		    clock_mono_ns() - c->asked_at);
	c->asked_at = 0;
}

/* What a request asks of the broker for one device. */
static struct tevent_push *
http_new_event(struct conn *c, enum tevent_type type, const char *id,
    size_t len)
{
	struct tevent_push *ev = tevent_new(type, len);

	ev->from = conn_handle(c);
	ev->id_len = len;
	memcpy(ev->id, id, len);
	return ev;
}

/* Send the parts of a fan-out that wait; AGAIN: a second time. */
static void
http_send_parts(struct conn *c, bool no_wait, bool again)
{
	struct fanout *f = c->fanout;
	enum tevent_type type = f->message == NULL ? TEVENT_QUERY : TEVENT_PUSH;
	struct tevent_push *ev;
	size_t i;

	for (i = 0; i < f->to->count; i++) {
		if (!f->part[i].waits)
			continue;
		ev = http_new_event(c, type, f->to->item[i].id,
		    f->to->item[i].len);
		ev->part = (uint32_t)i;
		if (f->message != NULL)
			ev->message = message_ref(f->message);
		ev->dedup = f->dedup;
		ev->no_wait = no_wait || again;
		ev->require_ack = f->require_ack && !again;
		WORKER_TELL_BROKER(c->conns->worker, ev);
	}
}

/* A part of a fan-out is answered: the last one answers the request. */
static void
http_answer_part(struct conn *c, uint32_t part, enum answer answer,
    uint64_t mid)
{
	struct http_reply r;
	struct fanout *f = c->fanout;
	size_t i;

	if (!fanout_answer(f, part, answer, mid))
		return;
	if (fanout_again(f) > 0) {
		http_send_parts(c, true, true);
		return;
	}
	for (i = 0; i < f->to->count; i++) {
		http_count_push(c, f->part[i].answer);
		http_warn_refused(c, f->to->item[i].id, f->to->item[i].len,
		    f->part[i].answer);
	}
	http_observe_push(c);
	r = *http_reply_of(fanout_judge(f));
	r.several = f;
	http_reply(c, &r);
	fanout_free(&c->fanout);
}

void
http_answer(struct conn *c, uint32_t part, enum answer answer, uint64_t mid)
{
	struct http_reply r = *http_reply_of(answer);
	char id[PROTO_ID_MAX + 1];
	size_t len;

	if (c->state != CONN_WAITING)
		return;
	if (c->fanout != NULL) {
		http_answer_part(c, part, answer, mid);
		return;
	}
	http_count_push(c, answer);
	http_observe_push(c);
	if (answer > ANSWER_UNKNOWN &&
	    push_parse_id(evhttp_request_get_uri(c->req), id, &len) == NULL)
		http_warn_refused(c, id, len, answer);
	r.mid = mid;
	http_reply(c, &r);
}

/* Ask the broker whether there are such devices. */
static void
http_send_query(struct conn *c, struct push_to *t)
{
	struct tevent_push *ev;

	if (t->several != NULL) {
		c->fanout = fanout_new(&t->several, NULL);
		if (c->fanout == NULL) {
			http_reply(c, http_reply_of(ANSWER_NO_MEMORY));
			return;
		}
		conn_wait(c);
		http_send_parts(c, false, false);
		return;
	}
	ev = http_new_event(c, TEVENT_QUERY, t->id, t->id_len);
	conn_wait(c);
	WORKER_TELL_BROKER(c->conns->worker, ev);
}

/* Hand a push for several devices to the broker; gives the message back. */
static void
http_send_fanout(struct conn *c, struct push *p, struct message **message)
{
	c->fanout = fanout_new(&p->to.several, *message);
	message_unref(message);
	if (c->fanout == NULL) {
		http_reply(c, http_reply_of(ANSWER_NO_MEMORY));
		return;
	}
	c->fanout->dedup = p->dedup;
	c->fanout->require_ack = p->require_ack;
	conn_wait(c);
	http_send_parts(c, p->no_wait, false);
}

/* Hand a push to the broker; the message moves into the event. */
static void
http_send_push(struct conn *c, struct push *p, struct message *message)
{
	struct tevent_push *ev;

	if (p->to.several != NULL) {
		http_send_fanout(c, p, &message);
		return;
	}
	ev = http_new_event(c, TEVENT_PUSH, p->to.id, p->to.id_len);
	ev->message = message;
	ev->dedup = p->dedup;
	ev->no_wait = p->no_wait;
	ev->require_ack = p->require_ack;
	conn_wait(c);
	WORKER_TELL_BROKER(c->conns->worker, ev);
}

static struct message *
http_make_message(const struct push *p, uint64_t now)
{
	struct message_parts parts = {
		.title = p->title,
		.title_len = p->title_len,
		.content = p->content,
		.content_len = p->content_len,
		.url = p->url,
		.url_len = p->url_len,
		.tags = p->tags,
		.tags_len = p->tags_len,
		.priority = p->priority,
		.collapse = p->collapse,
	};

	return message_make(&parts, now);
}

/* For want of memory trying again helps. */
static void
http_refuse_push(struct conn *c, int status, const char *error)
{
	metrics_count_push(METRICS_NO, 0);
	http_refuse(c, status == 500 ? 503 : status, error);
}

static void
http_warn_template(struct conn *c, const char *name)
{
	static struct log_limit limit;
	unsigned int left_out;

	if (!log_may(&limit, worker_now(c->conns->worker), &left_out))
		return;
	log_event(LOG_WARNING,
	    LOG_FIELDS(log_text("template", name),
		log_text("peer", conn_peer(c)),
		log_number("left_out", left_out)),
	    "http: a template took too many steps, the webhook was shown in "
	    "the built-in form");
}

void
http_on_push(struct conn *c, const struct http_head *head)
{
	const struct conf *conf = worker_conf(c->conns->worker);
	struct evbuffer *in = evhttp_request_get_input_buffer(c->req);
	struct push_request req = {
		.target = evhttp_request_get_uri(c->req),
		.content_type = head->type,
		.encoded = head->encoded,
		.title = head->title,
		.priority = head->priority,
		.max_message = (size_t)conf->max_message,
		.max_webhook = (size_t)conf->max_webhook,
		.severities = conf->severities.item,
		.severity_count = conf->severities.count,
		.groups = &conf->groups,
		.templates = &conf->templates,
	};
	struct message *m = NULL;
	uint64_t now = clock_real_ms(), asked_at = clock_mono_ns();
	struct push p;

	if (evhttp_request_get_command(c->req) != EVHTTP_REQ_GET) {
		req.body_len = evbuffer_get_length(in);
		req.body = req.body_len == 0 ?
			       "" :
			       (const char *)evbuffer_pullup(in, -1);
	}
	push_parse(&req, &p);
	if (p.failed_template != NULL)
		http_warn_template(c, p.failed_template);
	/* A large one shall not lie there while the push waits. */
	evbuffer_drain(in, req.body_len);
	conn_release_large(c);
	if (p.status == 200) {
		m = http_make_message(&p, now);
		c->shape = metrics_shape(p.shape);
		c->asked_at = asked_at;
		if (m == NULL)
			http_refuse_push(c, 500,
			    "the server is short of memory");
		else
			http_send_push(c, &p, m);
	} else {
		http_refuse_push(c, p.status, p.error);
	}
	push_free(&p);
}

void
http_on_head(struct conn *c)
{
	const struct conf *conf = worker_conf(c->conns->worker);
	struct push_to t;
	const char *fault;

	fault =
	    push_parse_to(evhttp_request_get_uri(c->req), &conf->groups, &t);
	if (fault != NULL)
		http_refuse(c, push_to_status(fault) == 500 ? 503 : 404, fault);
	else
		http_send_query(c, &t);
	push_to_free(&t);
}
