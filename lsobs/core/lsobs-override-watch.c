/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dlfcn.h>

#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/core/lsobs-override-watch-private.h"

#define NAMESPACE         "Lsobs"
#define NAMESPACE_VERSION "1.0"

static int is_told; /* (atomic) the override is there, or the log has said that it is missing */

/* Whether this process has an interpreter of Python. */
static gboolean
has_python (void)
{
  void *program = dlopen (NULL, RTLD_LAZY);
  int (*is_initialized) (void) = NULL;
  gboolean has;

  if (program == NULL)
    return FALSE;
  *(void **) &is_initialized = dlsym (program, "Py_IsInitialized");
  has = is_initialized != NULL && is_initialized () != 0;
  dlclose (program);
  return has;
}

/* Whether a library of GObject Introspection, if it is in this process, has loaded the typelib.
 * Without that, it is a part of the program in C that uses lsobs.
 * @get_default: the function that gets its repository
 * @is_registered: the one that asks it */
static gboolean
has_typelib (const char *library, const char *get_default, const char *is_registered)
{
  void *handle = dlopen (library, RTLD_LAZY | RTLD_NOLOAD);
  gpointer (*get) (void) = NULL;
  gboolean (*ask) (gpointer repository, const char *name, const char *version) = NULL;
  gboolean has;

  if (handle == NULL)
    return FALSE;
  *(void **) &get = dlsym (handle, get_default);
  *(void **) &ask = dlsym (handle, is_registered);
  has = get != NULL && ask != NULL && ask (get (), NAMESPACE, NAMESPACE_VERSION);
  dlclose (handle);
  return has;
}

/* The override is loaded. */
void
_lsobs_override_watch_found (void)
{
  g_atomic_int_set (&is_told, TRUE);
}

/* Looks whether the override is missing, and says so once. Called where programs begin. */
void
_lsobs_override_watch_check (void)
{
  if (g_atomic_int_get (&is_told) || !has_python ())
    return;
  if (!has_typelib ("libgirepository-1.0.so.1", "g_irepository_get_default",
                    "g_irepository_is_registered") &&
      !has_typelib ("libgirepository-2.0.so.0", "gi_repository_dup_default",
                    "gi_repository_is_registered"))
    return;
  if (g_atomic_int_compare_and_exchange (&is_told, FALSE, TRUE))
    _lsobs_log_no_override ();
}
