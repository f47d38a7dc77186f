/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>
#include <stdlib.h>

#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-exit-watch-private.h"

static void (*exit_func) (void); /* (atomic) (nullable) */

static void
exit_cb (void)
{
  void (*func) (void) = (void (*) (void)) g_atomic_pointer_get (&exit_func);

  if (func != NULL)
    func ();
}

/* @func: the same at each call */
void
_lsobs_exit_watch_set_func (void (*func) (void))
{
  g_atomic_pointer_set (&exit_func, func);
}

/* Called before a record is queued. The first call of the process registers the function: after
 * GIO has loaded the TLS backend, so that functions which that library registers run later. GIO
 * looks for its modules once: without a descriptor, it would never have a TLS backend. Then, and
 * without memory for the function, the next record tries again. */
void
_lsobs_exit_watch (void)
{
  static int registered; /* (atomic) */

  if (G_LIKELY (g_atomic_int_get (&registered)) || !_lsobs_descriptors_are_spare ())
    return;
  g_tls_backend_get_default ();
  /* No once: a fork in another thread would leave the child waiting for it. */
  if (g_atomic_int_compare_and_exchange (&registered, FALSE, TRUE) && atexit (exit_cb) != 0)
    g_atomic_int_set (&registered, FALSE);
}
