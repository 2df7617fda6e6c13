/* SPDX-License-Identifier: ISC */
/*
 * mpush_url - where the server is, as a person writes it.
 * Pure.  Limits: MPUSH_URL_MAX bytes.
 */
#ifndef MPUSHD_MPUSH_URL_H
#define MPUSHD_MPUSH_URL_H

#include <stdint.h>

#define MPUSH_URL_MAX 1024 /* bytes, with the NUL */

struct mpush_url {
	char host[MPUSH_URL_MAX]; /* without brackets */
	uint16_t port;
	char path[MPUSH_URL_MAX]; /* "" or "/prefix", no '/' at its end */
};

/*
 * Read TEXT: ws:// or http://, a host name or an address (IPv6 in brackets),
 * a port (else DEFAULT_PORT), a path.  Returns NULL, or a sentence that says
 * what is wrong, which is static.
 */
const char *
mpush_url_parse(const char *text, uint16_t default_port, struct mpush_url *);

#endif
