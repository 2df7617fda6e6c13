/* SPDX-License-Identifier: ISC */
/*
 * wskey - the keys of the WebSocket handshake (RFC 6455 4.1, 4.2.2).
 * Pure; SHA-1 from libmd, base64 from the C library.
 */
#ifndef MPUSHD_WSKEY_H
#define MPUSHD_WSKEY_H

#include <stdbool.h>

#define WSKEY_ACCEPT_SIZE 29 /* 28 characters and the NUL */
#define WSKEY_NONCE_SIZE  25 /* 24 characters and the NUL */

/* True when KEY is base64 of exactly 16 bytes, as Sec-WebSocket-Key must be. */
bool wskey_valid(const char *key);

/* Write the Sec-WebSocket-Accept that answers KEY to OUT. */
void wskey_accept(const char *key, char out[WSKEY_ACCEPT_SIZE]);

/* Write a fresh random Sec-WebSocket-Key to OUT (clients). */
void wskey_nonce(char out[WSKEY_NONCE_SIZE]);

#endif
