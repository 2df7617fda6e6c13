/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "privs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"

/* NULL with errno, which is 0 when there is none of that name. */
static const struct passwd *
privs_find(const char *name)
{
	errno = 0;
	return getpwnam(name);
}

const char *
privs_user_fault(const char *name)
{
	if (name[0] != '\0' && privs_find(name) != NULL)
		return NULL;
	return errno == 0 || errno == ENOENT ? "there is no such user" :
					       strerror(errno);
}

/* True when we are that user in every respect, for good. */
static bool
privs_are_dropped(const struct passwd *pw)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) == -1 ||
	    getresgid(&rgid, &egid, &sgid) == -1)
		return false;
	if (ruid != pw->pw_uid || euid != pw->pw_uid || suid != pw->pw_uid ||
	    rgid != pw->pw_gid || egid != pw->pw_gid || sgid != pw->pw_gid)
		return false;
	return pw->pw_uid == 0 || (setuid(0) == -1 && seteuid(0) == -1);
}

static int
privs_become(const struct passwd *pw)
{
	if (initgroups(pw->pw_name, pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (privs_are_dropped(pw))
		return 0;
	errno = EPERM;
	return -1;
}

int
privs_drop(const char *user)
{
	const struct passwd *pw;

	if (user == NULL)
		return 0;
	pw = privs_find(user);
	if (geteuid() != 0) {
		if (pw == NULL || pw->pw_uid != geteuid())
			log_notice("start: USER has no effect, only root can "
				   "become another user");
		return 0;
	}
	if (pw != NULL && privs_become(pw) == 0)
		return 0;
	log_err("start: cannot become the user %s: %s", user,
	    errno == 0 ? "there is no such user" : strerror(errno));
	return -1;
}
