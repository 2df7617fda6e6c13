/* SPDX-License-Identifier: ISC */
/*
 * bare-epoll - a floor: the reads and writes of a confirmed push and little
 * else, in one thread around epoll.  A push is four system calls: read the
 * request, write the message to the device, read its confirmation, write the
 * answer.  Listens on a free port of 127.0.0.1 for both protocols, says which
 * on stderr, and runs until it is killed.
 *
 * It skips what no real server can: requests, frames and confirmations are
 * taken to be whole, well-formed and alone in their read, ids to be numbered
 * as mpush-bench numbers them, writes to succeed at once.  There is no
 * decoding or checking of text, no queue (what is pushed to a device that is
 * away is answered `offline` and dropped), no resend, no timeout, no limit,
 * and the token is not looked at.
 */
#include "config.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wskey.h"

#define BUF         65536
#define EVENTS_MAX  128
#define DEVICE_MAX  1000000
#define WAITING_MAX 65536 /* pushes under way; a power of two */
#define MID_LEN     13

enum conn_kind {
	CONN_NEW,   /* a publisher, unless it upgrades */
	CONN_TOKEN, /* a WebSocket: the token comes next */
	CONN_ID,    /* then the device id */
	CONN_DEVICE,
};

struct conn {
	int fd;
	enum conn_kind kind;
	uint32_t device;
};

struct bare {
	int epfd, listen_fd;
	uint64_t next_mid;
	struct conn *device[DEVICE_MAX];
	struct conn *waiting[WAITING_MAX]; /* publishers, by mid */
	char in[BUF + 1];
	char out[BUF + 256];
};

static struct bare bare;

static void
conn_write(const struct conn *c, const char *bytes, size_t len)
{
	if (write(c->fd, bytes, len) != (ssize_t)len)
		warn("write");
}

static void
conn_close(struct conn *c)
{
	size_t i;

	if (c->kind == CONN_NEW)
		for (i = 0; i < WAITING_MAX; i++)
			if (bare.waiting[i] == c)
				bare.waiting[i] = NULL;
	if (c->kind == CONN_DEVICE && bare.device[c->device] == c)
		bare.device[c->device] = NULL;
	close(c->fd);
	free(c);
}

#define ANSWER(len, word)                                                      \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"                      \
	"Content-Length: " len "\r\n\r\n" word

static const char answer_ok[] = ANSWER("2", "ok");
static const char answer_offline[] = ANSWER("7", "offline");

/* Write a text frame whose payload begins at out + 4. */
static void
frame_write(const struct conn *c, size_t len)
{
	uint8_t *out = (uint8_t *)bare.out, *frame;

	if (len < 126) {
		frame = out + 2;
		frame[1] = (uint8_t)len;
	} else {
		frame = out;
		frame[1] = 126;
		frame[2] = (uint8_t)(len >> 8);
		frame[3] = (uint8_t)len;
	}
	frame[0] = 0x81;
	conn_write(c, (char *)frame, len + (size_t)(out + 4 - frame));
}

static void
frame_write_text(const struct conn *c, const char *text)
{
	memcpy(bare.out + 4, text, strlen(text));
	frame_write(c, strlen(text));
}

static char *
append(char *at, const char *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

#define APPEND(at, literal) append(at, literal, sizeof(literal) - 1)

static char *
append_mid(char *at, uint64_t mid)
{
	int i;

	for (i = MID_LEN - 1; i >= 0; i--) {
		at[i] = (char)('0' + mid % 10);
		mid /= 10;
	}
	return at + MID_LEN;
}

static void
message_write(const struct conn *device, const char *title, size_t title_len,
    const char *content, size_t content_len, uint64_t mid)
{
	char *p = bare.out + 4;

	p = APPEND(p, "{\"cmd\":\"MESSAGE\",\"data\":{\"msgList\":"
		      "[{\"title\":\"");
	p = append(p, title, title_len);
	p = APPEND(p, "\",\"content\":\"");
	p = append(p, content, content_len);
	p = APPEND(p, "\",\"mid\":\"");
	p = append_mid(p, mid);
	p = APPEND(p, "\"}]}}");
	frame_write(device, (size_t)(p - bare.out) - 4);
}

/* GET /dev000001?title=T&content=C HTTP/1.1 */
static void
push_request(struct conn *c, char *in)
{
	char *id = in + strlen("GET /dev"), *title, *content;
	unsigned long number = strtoul(id, &title, 10);
	size_t title_len, content_len;
	uint64_t mid;

	if (number >= DEVICE_MAX || bare.device[number] == NULL) {
		conn_write(c, answer_offline, sizeof(answer_offline) - 1);
		return;
	}
	title += strlen("?title=");
	title_len = strcspn(title, "&");
	content = title + title_len + strlen("&content=");
	content_len = strcspn(content, " ");
	mid = bare.next_mid++;
	bare.waiting[mid % WAITING_MAX] = c;
	message_write(bare.device[number], title, title_len, content,
	    content_len, mid);
}

static void
upgrade_request(struct conn *c, const char *in)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	char key[64] = "", accept[WSKEY_ACCEPT_SIZE], answer[256];
	const char *at = strstr(in, name);
	int len;

	if (at != NULL)
		snprintf(key, sizeof(key), "%.*s",
		    (int)strcspn(at + sizeof(name) - 1, "\r"),
		    at + sizeof(name) - 1);
	wskey_accept(key, accept);
	len = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	c->kind = CONN_TOKEN;
	conn_write(c, answer, (size_t)len);
}

static void
device_id(struct conn *c, const char *id, size_t len)
{
	char text[128];

	c->device =
	    (uint32_t)strtoul(id + strlen("dev"), NULL, 10) % DEVICE_MAX;
	c->kind = CONN_DEVICE;
	bare.device[c->device] = c;
	snprintf(text, sizeof(text),
	    "{\"cmd\":\"LOGIN\",\"data\":{\"name\":\"%.*s\"}}",
	    len > 32 ? 32 : (int)len, id);
	frame_write_text(c, text);
}

/* {"cmd":"SENDMSG_CB","data":{"midList":["1557901952810"]}} */
static void
device_confirmed(const char *text, size_t len)
{
	const char *at = memchr(text, '[', len);
	struct conn *publisher;
	uint64_t mid;

	if (at == NULL)
		return;
	mid = strtoull(at + 2, NULL, 10);
	publisher = bare.waiting[mid % WAITING_MAX];
	bare.waiting[mid % WAITING_MAX] = NULL;
	if (publisher != NULL)
		conn_write(publisher, answer_ok, sizeof(answer_ok) - 1);
}

static void
frame_read(struct conn *c, char *text, size_t len)
{
	switch (c->kind) {
	case CONN_TOKEN:
		c->kind = CONN_ID;
		frame_write_text(c, "{\"cmd\":\"AUTH\",\"data\":{\"code\":200,"
				    "\"msg\":\"Successful authentication\"}}");
		break;
	case CONN_ID:
		device_id(c, text, len);
		break;
	case CONN_DEVICE:
		device_confirmed(text, len);
		break;
	case CONN_NEW:
		break;
	}
}

static void
frames_read(struct conn *c, uint8_t *in, size_t len)
{
	uint8_t *end = in + len, *payload;
	size_t payload_len, i;

	while (end - in >= 6) {
		payload_len = in[1] & 0x7f;
		payload = in + 6;
		if (payload_len == 126) {
			payload_len = (size_t)in[2] << 8 | in[3];
			payload = in + 8;
		}
		if ((size_t)(end - payload) < payload_len)
			return;
		for (i = 0; i < payload_len; i++)
			payload[i] ^= payload[-4 + (int)(i & 3)];
		frame_read(c, (char *)payload, payload_len);
		in = payload + payload_len;
	}
}

static void
conn_read(struct conn *c)
{
	ssize_t n = read(c->fd, bare.in, BUF);

	if (n <= 0) {
		conn_close(c);
		return;
	}
	bare.in[n] = '\0';
	if (c->kind != CONN_NEW)
		frames_read(c, (uint8_t *)bare.in, (size_t)n);
	else if (strncmp(bare.in, "GET /dev", 8) == 0)
		push_request(c, bare.in);
	else
		upgrade_request(c, bare.in);
}

static void
conn_accept(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct conn *c = calloc(1, sizeof(*c));
	const int on = 1;

	if (c == NULL)
		err(1, "connection");
	if ((c->fd = accept(bare.listen_fd, NULL, NULL)) == -1)
		err(1, "accept");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ev.data.ptr = c;
	if (epoll_ctl(bare.epfd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
bare_listen(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN };
	socklen_t len = sizeof(sin);

	bare.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bare.listen_fd == -1 ||
	    bind(bare.listen_fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(bare.listen_fd, SOMAXCONN) == -1 ||
	    getsockname(bare.listen_fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "listen");
	if ((bare.epfd = epoll_create1(0)) == -1 ||
	    epoll_ctl(bare.epfd, EPOLL_CTL_ADD, bare.listen_fd, &ev) == -1)
		err(1, "epoll");
	fprintf(stderr,
	    "listening on ws://127.0.0.1:%u\n"
	    "listening on http://127.0.0.1:%u\n",
	    ntohs(sin.sin_port), ntohs(sin.sin_port));
}

int
main(void)
{
	struct epoll_event ev[EVENTS_MAX];
	int i, n;

	bare.next_mid = (uint64_t)time(NULL) * 1000;
	bare_listen();
	for (;;) {
		n = epoll_wait(bare.epfd, ev, EVENTS_MAX, -1);
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				conn_accept();
			else
				conn_read(ev[i].data.ptr);
		}
	}
}
