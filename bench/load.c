/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "load.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/time.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "wire.h"

#define EVENTS_MAX   128
#define LOGIN_WINDOW 64 /* logins under way at once */
#define MID_MAX      32 /* bytes of a mid */
#define OPCODE_TEXT  0x1
#define OPCODE_CLOSE 0x8

enum device_state {
	DEVICE_OFF,
	DEVICE_UPGRADE, /* waits for the 101 */
	DEVICE_AUTH,    /* token sent */
	DEVICE_LOGIN,   /* id sent */
	DEVICE_READY,
};

/* What devices and publishers have in common; the first member of both. */
struct conn {
	int fd; /* -1: not connected */
	bool is_device;
	uint8_t *part; /* an unfinished frame or answer */
	size_t part_len;
};

struct device {
	struct conn conn;
	enum device_state state;
	uint64_t last_mid;
};

struct publisher {
	struct conn conn;
	bool busy;
	uint32_t seq; /* of the push that it waits for */
};

struct load {
	const struct load_target *target;
	int epfd;
	uint8_t *buf;
	struct wire_request request;
	struct wire_text text;

	struct device *device;
	size_t device_max;
	uint32_t next_login, last_login;
	size_t logins_open;
	bool hang_up; /* after login */

	struct publisher *publisher;
	struct publisher **idle; /* a stack */
	size_t idle_count;

	struct load_plan plan;
	int64_t start, stop;
	uint64_t sent;

	struct ledger ledger;
	struct samples received, answered;
	uint64_t misordered, foreign;
	uint64_t progress; /* moves while the server does */
};

static void
conn_send(struct conn *c, const void *bytes, size_t len)
{
	ssize_t n;

	n = send(c->fd, bytes, len, MSG_NOSIGNAL);
	if (n == -1)
		err(1, "send");
	if ((size_t)n != len)
		errx(1, "the server does not read: send timed out");
}

static void
conn_open(struct load *l, struct conn *c, const struct load_address *to)
{
	const struct timeval timeout = { .tv_sec = LOAD_SEND_TIMEOUT };
	const struct linger reset = { .l_onoff = 1 };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	const int on = 1;

	c->fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		err(1, "socket");
	if (connect(c->fd, (const struct sockaddr *)&to->addr, to->len) == -1)
		err(1, "connect to %s", to->text);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	/* A reset leaves no port behind in TIME_WAIT; 100,000 would not do. */
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
conn_close(struct conn *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	free(c->part);
	c->part = NULL;
	c->part_len = 0;
}

/* Keep what is not used yet until more comes. */
static void
conn_keep(struct conn *c, const uint8_t *bytes, size_t len)
{
	if (len == 0 && c->part == NULL)
		return;
	if (len > c->part_len && (c->part = realloc(c->part, len)) == NULL)
		err(1, "input");
	memcpy(c->part, bytes, len);
	c->part_len = len;
	if (len == 0) {
		free(c->part);
		c->part = NULL;
	}
}

static void
device_send(struct load *l, struct device *d)
{
	size_t len;
	uint8_t *frame = wire_text_finish(&l->text, &len);

	conn_send(&d->conn, frame, len);
}

static void
device_say(struct load *l, struct device *d, const char *word)
{
	wire_text_start(&l->text);
	wire_text_add(&l->text, word, strlen(word));
	device_send(l, d);
}

static void
device_open(struct load *l, uint32_t number)
{
	struct device *d = &l->device[number];
	char request[512];
	size_t len;

	CHECK(number < l->device_max && d->state == DEVICE_OFF);
	conn_open(l, &d->conn, &l->target->ws);
	len = wire_upgrade_build(request, sizeof(request), l->target->ws.text);
	conn_send(&d->conn, request, len);
	d->state = DEVICE_UPGRADE;
	l->logins_open++;
}

static void
device_close(struct device *d)
{
	conn_close(&d->conn);
	d->state = DEVICE_OFF;
}

/* Keep LOGIN_WINDOW logins under way. */
static void
login_feed(struct load *l)
{
	while (l->next_login < l->last_login && l->logins_open < LOGIN_WINDOW)
		device_open(l, l->next_login++);
}

static size_t
device_upgraded(struct load *l, struct device *d, const char *bytes, size_t len)
{
	static const char status[] = "HTTP/1.1 101 ";
	const char *end;

	if ((end = memmem(bytes, len, "\r\n\r\n", 4)) == NULL)
		return 0;
	if (strncmp(bytes, status, sizeof(status) - 1) != 0)
		errx(1, "WebSocket refused: %.*s", (int)(end - bytes), bytes);
	d->state = DEVICE_AUTH;
	device_say(l, d, l->target->token);
	return (size_t)(end + 4 - bytes);
}

static void
device_authenticated(struct load *l, struct device *d,
    const struct wire_frame *f)
{
	char id[32];

	if (memmem(f->payload, f->len, "\"code\":200", 10) == NULL)
		errx(1, "token refused: %.*s", (int)f->len, f->payload);
	snprintf(id, sizeof(id), WIRE_DEVICE_FORMAT,
	    (unsigned int)(d - l->device));
	d->state = DEVICE_LOGIN;
	device_say(l, d, id);
}

static void
device_logged_in(struct load *l, struct device *d, const struct wire_frame *f)
{
	if (memmem(f->payload, f->len, "\"cmd\":\"LOGIN\"", 13) == NULL)
		errx(1, "login refused: %.*s", (int)f->len, f->payload);
	d->state = DEVICE_READY;
	l->logins_open--;
	l->progress++;
}

static void
message_account(struct load *l, struct device *d, const struct wire_message *m,
    int64_t now)
{
	const struct push *push;
	uint32_t seq;

	if (!wire_content_parse(&l->request, m->content, &seq)) {
		l->foreign++;
		return;
	}
	push = ledger_receive(&l->ledger, seq, (uint32_t)(d - l->device));
	if (push == NULL)
		return;
	samples_add(&l->received, now - push->due);
	if (m->mid_value <= d->last_mid)
		l->misordered++;
	d->last_mid = m->mid_value;
}

static void
confirm_start(struct load *l)
{
	static const char head[] =
	    "{\"cmd\":\"SENDMSG_CB\",\"data\":{\"midList\":[\"";

	wire_text_start(&l->text);
	wire_text_add(&l->text, head, sizeof(head) - 1);
}

static void
confirm_send(struct load *l, struct device *d)
{
	wire_text_add(&l->text, "\"]}}", 4);
	device_send(l, d);
}

/* Account for a frame of messages and confirm it with one of our own. */
static void
device_messages(struct load *l, struct device *d, const struct wire_frame *f,
    int64_t now)
{
	const char *pos = f->payload, *end = f->payload + f->len;
	struct wire_message m;
	size_t count = 0;
	int more;

	confirm_start(l);
	while ((more = wire_message_next(&pos, end, l->request.content_len,
		    &m)) == 1) {
		if (l->text.len > WIRE_FRAME_MAX - 2 * MID_MAX) {
			confirm_send(l, d);
			confirm_start(l);
			count = 0;
		}
		if (m.mid_len > MID_MAX)
			errx(1, "a mid of %zu bytes", m.mid_len);
		if (count++ > 0)
			wire_text_add(&l->text, "\",\"", 3);
		wire_text_add(&l->text, m.mid, m.mid_len);
		message_account(l, d, &m, now);
	}
	if (more == -1 || count == 0)
		errx(1, "not a message list: %.*s", (int)f->len, f->payload);
	confirm_send(l, d);
	l->progress += count;
}

static void
device_frame(struct load *l, struct device *d, const struct wire_frame *f,
    int64_t now)
{
	if (f->opcode == OPCODE_CLOSE)
		errx(1, "device %td closed by the server: %u %.*s",
		    d - l->device,
		    f->len < 2 ? 1005U :
				 (unsigned int)(uint8_t)f->payload[0] << 8 |
				     (uint8_t)f->payload[1],
		    f->len < 2 ? 0 : (int)f->len - 2, f->payload + 2);
	if (f->opcode != OPCODE_TEXT)
		errx(1, "a frame of type %u", f->opcode);
	CHECK(d->state != DEVICE_OFF && d->state != DEVICE_UPGRADE);
	switch (d->state) {
	case DEVICE_AUTH:
		device_authenticated(l, d, f);
		break;
	case DEVICE_LOGIN:
		device_logged_in(l, d, f);
		break;
	default:
		device_messages(l, d, f, now);
		break;
	}
}

static size_t
device_input(struct load *l, struct device *d, uint8_t *bytes, size_t len,
    int64_t now)
{
	struct wire_frame frame;
	size_t used = 0;
	ssize_t n;

	if (d->state == DEVICE_UPGRADE) {
		used = device_upgraded(l, d, (const char *)bytes, len);
		if (used == 0)
			return 0;
	}
	while ((n = wire_frame_parse(bytes + used, len - used, &frame)) > 0) {
		device_frame(l, d, &frame, now);
		used += (size_t)n;
	}
	if (n == -1)
		errx(1, "a frame that a server does not send");
	if (l->hang_up && d->state == DEVICE_READY)
		device_close(d);
	return used;
}

static void
publisher_push(struct load *l, struct publisher *p, int64_t due)
{
	uint32_t device = l->plan.first + (uint32_t)(l->sent % l->plan.count);

	p->seq = ledger_send(&l->ledger, device, due);
	p->busy = true;
	wire_request_set(&l->request, device, p->seq);
	conn_send(&p->conn, l->request.bytes, l->request.len);
	l->sent++;
}

static size_t
publisher_input(struct load *l, struct publisher *p, const uint8_t *bytes,
    size_t len, int64_t now)
{
	enum answer answer;
	ssize_t used;

	used = wire_answer_parse((const char *)bytes, len, &answer);
	if (used == 0)
		return 0;
	if (used == -1 || !p->busy)
		errx(1, "not an answer: %.*s", (int)len, (const char *)bytes);
	samples_add(&l->answered, now - l->ledger.push[p->seq].due);
	ledger_answer(&l->ledger, p->seq, answer);
	p->busy = false;
	l->idle[l->idle_count++] = p;
	l->progress++;
	return (size_t)used;
}

static int64_t
plan_due(const struct load *l, int64_t now)
{
	if (l->plan.rate == 0)
		return now;
	return l->start +
	       (int64_t)((double)l->sent * (double)METER_SECOND / l->plan.rate);
}

static bool
plan_done(const struct load *l, int64_t due)
{
	return l->plan.pushes != 0 ? l->sent >= l->plan.pushes : due >= l->stop;
}

/* Send whatever is due, as far as there are publishers for it. */
static void
plan_feed(struct load *l, int64_t now)
{
	int64_t due;

	while (l->idle_count > 0) {
		due = plan_due(l, now);
		if (due > now || plan_done(l, due))
			return;
		publisher_push(l, l->idle[--l->idle_count], due);
	}
}

static void
conn_input(struct load *l, struct conn *c)
{
	size_t len = c->part_len, used;
	int64_t now;
	ssize_t n;

	if (len > 0)
		memcpy(l->buf, c->part, len);
	n = recv(c->fd, l->buf + len, LOAD_BUF - 1 - len, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		err(1, "recv");
	if (n == 0)
		errx(1, "a connection was closed by the server");
	now = meter_now();
	len += (size_t)n;
	l->buf[len] = '\0';
	used = c->is_device ?
		   device_input(l, (struct device *)c, l->buf, len, now) :
		   publisher_input(l, (struct publisher *)c, l->buf, len, now);
	if (used == 0 && len == LOAD_BUF - 1)
		errx(1, "a frame or answer over %d bytes", LOAD_BUF);
	if (c->fd != -1)
		conn_keep(c, l->buf + used, len - used);
}

/* One wait for input, TIMEOUT ms at most. */
static void
load_turn(struct load *l, int timeout)
{
	struct epoll_event ev[EVENTS_MAX];
	struct conn *c;
	int i, n;

	n = epoll_wait(l->epfd, ev, EVENTS_MAX, timeout);
	if (n == -1 && errno != EINTR)
		err(1, "epoll_wait");
	for (i = 0; i < n; i++) {
		c = ev[i].data.ptr;
		conn_input(l, c);
		if (c->is_device)
			login_feed(l);
		else
			plan_feed(l, meter_now());
	}
}

static void
load_alive(struct load *l, uint64_t *seen, int64_t *when)
{
	int64_t now = meter_now();

	if (l->progress != *seen) {
		*seen = l->progress;
		*when = now;
	} else if (now - *when > LOAD_SILENCE)
		errx(1, "the server is silent");
}

/* True while pushes are to be sent or answered. */
static bool
plan_active(const struct load *l, int64_t now)
{
	return l->idle_count < l->target->publishers ||
	       !plan_done(l, plan_due(l, now));
}

void
load_run(struct load *l, const struct load_plan *plan,
    struct load_result *result)
{
	uint64_t seen = l->progress;
	int64_t when, cpu = meter_cpu(0), now = meter_now();

	CHECK(plan->first + plan->count <= l->device_max && plan->count > 0);
	l->plan = *plan;
	l->sent = 0;
	l->start = when = now;
	l->stop = now + plan->time;
	while (plan_active(l, now)) {
		plan_feed(l, now);
		/* At a fixed rate it does not sleep: a timer would be late. */
		load_turn(l, plan->rate == 0 ? 100 : 0);
		load_alive(l, &seen, &when);
		now = meter_now();
	}
	result->pushes = l->sent;
	result->own_cpu = meter_cpu(0) - cpu;
	/* Input that comes later must not start new pushes. */
	l->plan = (struct load_plan){ 0 };
	l->stop = 0;
}

void
load_settle(struct load *l, int64_t timeout)
{
	int64_t end = meter_now() + timeout;

	while (l->ledger.missing > 0 && meter_now() < end)
		load_turn(l, 100);
}

static void
load_login_all(struct load *l, uint32_t first, uint32_t count, bool hang_up)
{
	uint64_t seen = l->progress;
	int64_t when = meter_now();

	l->next_login = first;
	l->last_login = first + count;
	l->hang_up = hang_up;
	login_feed(l);
	while (l->logins_open > 0) {
		load_turn(l, 100);
		load_alive(l, &seen, &when);
	}
	l->hang_up = false;
}

void
load_login(struct load *l, uint32_t first, uint32_t count)
{
	load_login_all(l, first, count, false);
}

void
load_register(struct load *l, uint32_t first, uint32_t count)
{
	load_login_all(l, first, count, true);
}

void
load_logout(struct load *l, uint32_t first, uint32_t count)
{
	uint32_t i;

	for (i = first; i < first + count; i++)
		device_close(&l->device[i]);
}

void
load_reset(struct load *l)
{
	ledger_reset(&l->ledger);
	samples_clear(&l->received);
	samples_clear(&l->answered);
	l->misordered = l->foreign = 0;
}

struct ledger *
load_ledger(struct load *l)
{
	return &l->ledger;
}

struct samples *
load_received(struct load *l)
{
	return &l->received;
}

struct samples *
load_answered(struct load *l)
{
	return &l->answered;
}

uint64_t
load_misordered(const struct load *l)
{
	return l->misordered;
}

uint64_t
load_foreign(const struct load *l)
{
	return l->foreign;
}

static void
load_open_publishers(struct load *l)
{
	size_t i;

	for (i = 0; i < l->target->publishers; i++) {
		conn_open(l, &l->publisher[i].conn, &l->target->http);
		l->idle[l->idle_count++] = &l->publisher[i];
	}
}

struct load *
load_new(const struct load_target *target, size_t device_max)
{
	struct load *l;
	uint32_t run;
	size_t i;

	CHECK(device_max <= WIRE_DEVICE_MAX);
	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->buf = malloc(LOAD_BUF)) == NULL ||
	    (l->device = calloc(device_max + 1, sizeof(*l->device))) == NULL ||
	    (l->publisher = calloc(target->publishers + 1,
		 sizeof(*l->publisher))) == NULL ||
	    (l->idle = calloc(target->publishers + 1, sizeof(*l->idle))) ==
		NULL)
		err(1, "load");
	if ((l->epfd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	if (getrandom(&run, sizeof(run), 0) != sizeof(run))
		err(1, "getrandom");
	l->target = target;
	l->device_max = device_max;
	for (i = 0; i < device_max; i++)
		l->device[i].conn =
		    (struct conn){ .fd = -1, .is_device = true };
	wire_request_init(&l->request, target->http.text, run, target->size);
	load_open_publishers(l);
	return l;
}

void
load_free(struct load **lp)
{
	struct load *l = *lp;
	size_t i;

	if (l == NULL)
		return;
	*lp = NULL;
	load_logout(l, 0, (uint32_t)l->device_max);
	for (i = 0; i < l->target->publishers; i++)
		conn_close(&l->publisher[i].conn);
	close(l->epfd);
	wire_request_free(&l->request);
	ledger_free(&l->ledger);
	samples_free(&l->received);
	samples_free(&l->answered);
	free(l->idle);
	free(l->publisher);
	free(l->device);
	free(l->buf);
	free(l);
}
