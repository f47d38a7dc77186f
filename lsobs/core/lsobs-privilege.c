/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#ifdef HAVE_GETAUXVAL
# include <sys/auxv.h>
#endif
#include <unistd.h>

#include "lsobs/core/lsobs-privilege-private.h"

/* Whether the program has more rights than the user who started it, as a setuid program has.
 * If so, lsobs does not trust the environment and the files of that user. */
gboolean
_lsobs_privilege_is_elevated (void)
{
#ifdef HAVE_GETAUXVAL
  return getauxval (AT_SECURE) != 0;
#else
  return geteuid () != getuid () || getegid () != getgid ();
#endif
}
