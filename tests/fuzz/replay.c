/* SPDX-License-Identifier: ISC */
/*
 * Feeds a fuzz target the files that are named, and those in the folders that
 * are: what libFuzzer's own main does when it is given files.
 */
#include "config.h"

#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define REPLAY_FILE_MAX (1 << 20) /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
replay_file(const char *path)
{
	uint8_t *exact, *buf = malloc(REPLAY_FILE_MAX);
	FILE *fp = fopen(path, "rb");
	size_t len;

	if (fp == NULL || buf == NULL)
		err(1, "%s", path);
	len = fread(buf, 1, REPLAY_FILE_MAX, fp);
	fclose(fp);
	/* Of the exact size, so that a sanitizer sees a read beyond it. */
	exact = realloc(buf, len == 0 ? 1 : len);
	if (exact == NULL)
		err(1, NULL);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static unsigned int
replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int count = 0;
	char *file;

	if (dir == NULL)
		err(1, "%s", path);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) == -1)
			err(1, NULL);
		replay_file(file);
		free(file);
		count++;
	}
	closedir(dir);
	return count;
}

int
main(int argc, char **argv)
{
	unsigned int count = 0;
	struct stat st;
	int i;

	for (i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == -1)
			err(1, "%s", argv[i]);
		if (S_ISDIR(st.st_mode)) {
			count += replay_folder(argv[i]);
		} else {
			replay_file(argv[i]);
			count++;
		}
	}
	if (count == 0)
		errx(1, "nothing to replay");
	printf("replayed %u inputs\n", count);
	return 0;
}
