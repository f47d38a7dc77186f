/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <glib.h>

#include "lsobs/core/lsobs-descriptors-private.h"

/* Enough for the main contexts that GIO makes when it is first used, and for the sockets of a
 * connection. */
#define N_SPARE 8

/* GLib aborts the process when there is no descriptor for a new main context.
 * Returns: whether GLib and GIO may do what needs descriptors. Another thread may take them right
 *   after; but a process that has none left is found out */
gboolean
_lsobs_descriptors_are_spare (void)
{
  int descriptors[N_SPARE];
  gboolean are_spare = TRUE;
  guint n;

  for (n = 0; n < N_SPARE; n++)
    {
      descriptors[n] = open ("/", O_RDONLY | O_CLOEXEC);
      if (descriptors[n] >= 0)
        continue;
      /* Another error says nothing about descriptors. */
      are_spare = errno != EMFILE && errno != ENFILE;
      break;
    }
  while (n > 0)
    close (descriptors[--n]);
  return are_spare;
}
