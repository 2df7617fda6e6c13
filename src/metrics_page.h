/* SPDX-License-Identifier: ISC */
/*
 * metrics_page - all that is counted, and what the process uses, in the text
 * format of Prometheus, version 0.0.4.
 * Thread: any.
 * Limits: as many lines as the table has, whatever peers do; two for each id in
 * METRICS_DEVICES.
 */
#ifndef MPUSHD_METRICS_PAGE_H
#define MPUSHD_METRICS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_PAGE_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct conf;
struct evbuffer;

/* What the page tells beside what is counted. */
struct metrics_page {
	const struct conf *conf;
	bool ready; /* as the page of that name says */
	bool has_store;
	bool store_works;
};

/* Append the page; without memory it is cut. */
void metrics_page_print(struct evbuffer *, const struct metrics_page *);

#endif
