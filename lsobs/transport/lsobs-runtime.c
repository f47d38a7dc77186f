/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/utsname.h>

#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/transport/lsobs-runtime-private.h"

/* (unowned) (nullable) (atomic) the JSON members that tell the language of the program, an interned
 * string, which another thread may still read when it is replaced; NULL for C */
static char *language;

/* @version: (nullable) */
void
_lsobs_runtime_set_language (const char *name, const char *version)
{
  g_auto (LsobsBuffer) members = LSOBS_BUFFER_INIT;
  g_autofree char *text = NULL;

  _lsobs_buffer_append_str (&members, "\"runtime\":");
  _lsobs_json_write_string (&members, name, strlen (name));
  if (version != NULL)
    {
      _lsobs_buffer_append_str (&members, ",\"runtime_version\":");
      _lsobs_json_write_string (&members, version, strlen (version));
    }
  text = g_strndup (members.data, members.len);
  g_atomic_pointer_set (&language, (char *) g_intern_string (text));
}

/* Returns: the JSON text of the name of the system and the machine */
static const char *
get_platform (void)
{
  static char *platform;

  if (g_once_init_enter (&platform))
    {
      struct utsname name;
      g_autofree char *plain = NULL;
      g_auto (LsobsBuffer) quoted = LSOBS_BUFFER_INIT;

      if (uname (&name) == 0)
        {
          g_autofree char *system = g_ascii_strdown (name.sysname, -1);

          plain = g_strdup_printf ("%s-%s", system, name.machine);
        }
      else
        {
          plain = g_strdup ("unknown");
        }
      _lsobs_json_write_string (&quoted, plain, strlen (plain));
      /* cppcheck-suppress leakNoVarFunctionCall; it lasts as long as the process */
      g_once_init_leave (&platform, g_strndup (quoted.data, quoted.len));
    }
  return platform;
}

/* Writes an object; no environment variable is in it. */
void
_lsobs_runtime_write (LsobsBuffer *out)
{
  const char *members = g_atomic_pointer_get (&language);

  _lsobs_buffer_append_str (out, "{\"library\":\"lsobs\",\"sdk\":\"lsobs\","
                                 "\"sdk_version\":\"" PACKAGE_VERSION "\",");
  _lsobs_buffer_append_str (out, members != NULL ? members : "\"runtime\":\"c\"");
  _lsobs_buffer_append_str (out, ",\"platform\":");
  _lsobs_buffer_append_str (out, get_platform ());
  _lsobs_buffer_append_c (out, '}');
}
