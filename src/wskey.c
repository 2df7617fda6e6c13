/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "wskey.h"

#include <bsd/stdlib.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sha1.h>
#include <stddef.h>
#include <string.h>

#include "check.h"

#define WSKEY_GUID  "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define WSKEY_BYTES 16

bool
wskey_valid(const char *key)
{
	unsigned char bytes[WSKEY_BYTES + 2];

	/*
	 * b64_pton passes over white space, which has no place here: but 16
	 * bytes take all the characters of this length.
	 */
	return strlen(key) == WSKEY_NONCE_SIZE - 1 &&
	       b64_pton(key, bytes, sizeof(bytes)) == WSKEY_BYTES;
}

void
wskey_accept(const char *key, char out[WSKEY_ACCEPT_SIZE])
{
	uint8_t digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX ctx;

	SHA1Init(&ctx);
	SHA1Update(&ctx, (const uint8_t *)key, strlen(key));
	SHA1Update(&ctx, (const uint8_t *)WSKEY_GUID, strlen(WSKEY_GUID));
	SHA1Final(digest, &ctx);
	CHECK(b64_ntop(digest, sizeof(digest), out, WSKEY_ACCEPT_SIZE) ==
	      WSKEY_ACCEPT_SIZE - 1);
}

void
wskey_nonce(char out[WSKEY_NONCE_SIZE])
{
	uint8_t bytes[WSKEY_BYTES];

	arc4random_buf(bytes, sizeof(bytes));
	CHECK(b64_ntop(bytes, sizeof(bytes), out, WSKEY_NONCE_SIZE) ==
	      WSKEY_NONCE_SIZE - 1);
}
