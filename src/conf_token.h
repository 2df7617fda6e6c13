/* SPDX-License-Identifier: ISC */
/*
 * conf_token - the file of TOKEN_FILE: one token a line.
 * Thread: the acceptor.
 * Limits: a regular file of CONF_TOKEN_FILE_MAX bytes, tokens of
 * CONF_TOKEN_MAX.
 */
#ifndef MPUSHD_CONF_TOKEN_H
#define MPUSHD_CONF_TOKEN_H

#include <stddef.h>

#include "conf.h"
#include "conf_fault.h"

#define CONF_TOKEN_FILE_MAX (1 << 20) /* bytes */

/* Why LEN bytes cannot be a token, or NULL. */
const char *conf_token_fault(const char *, size_t len);

/*
 * Add the tokens in the file token_file to the configuration's; faults of a
 * line are reported by the file's name and that line, others for the PLACE
 * where the key is set.  No report has a byte of the file in it.
 */
void conf_token_read(struct conf *, const struct conf_place *);

#endif
