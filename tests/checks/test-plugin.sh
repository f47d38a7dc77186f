#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A plugin that is linked with lsobs is loaded, used and unloaded, three times, by a program that
# is not linked with lsobs.
set -u
. "$G_TEST_SRCDIR/checks/report.sh"

srcdir=$G_TEST_SRCDIR/..
builddir=$G_TEST_BUILDDIR/..
libdir=$builddir/lsobs/.libs
sanitize=
if $NM -D "$libdir/liblsobs.so" | grep -q __asan_init; then
  sanitize=-fsanitize=address
fi

cat > "$tmp/plugin.c" <<'END'
#include <lsobs/lsobs.h>

int use_plugin (void);

/* Sends one run. */
int
use_plugin (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "project");
  LsobsMemoryTransport *transport = lsobs_memory_transport_new ();
  g_autoptr (GPtrArray) events = NULL;
  LsobsObserver *observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, NULL, "config", config,
                                            "transport", transport, NULL);
  LsobsRun *run = lsobs_observer_start_run (observer, "plugin", LSOBS_RUN_TYPE_CHAIN, NULL);
  int n;

  lsobs_run_end (run, NULL);
  lsobs_run_unref (run);
  if (!lsobs_exporter_flush (lsobs_observer_get_exporter (observer), 60000, NULL, NULL))
    return 0;
  events = lsobs_memory_transport_dup_events (transport);
  n = (int) events->len;
  g_object_unref (observer);
  g_object_unref (transport);
  return n;
}
END
cat > "$tmp/host.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int
main (int argc, char **argv)
{
  for (int i = 0; i < 3; i++)
    {
      void *plugin = dlopen (argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
      int (*use) (void) = NULL;
      void *symbol;

      if (plugin == NULL)
        {
          puts (dlerror ());
          return 1;
        }
      symbol = dlsym (plugin, "use_plugin");
      memcpy (&use, &symbol, sizeof use);
      if (use == NULL || use () != 1)
        {
          printf ("the run has not arrived at load %d\n", i);
          return 1;
        }
      if (dlclose (plugin) != 0)
        return 1;
    }
  return 0;
}
END

# word splitting intended: these are lists of arguments
# shellcheck disable=SC2086
$CC $sanitize $LSOBS_CFLAGS -I"$srcdir" -I"$builddir" -fPIC -shared -o "$tmp/plugin.so" \
  "$tmp/plugin.c" -L"$libdir" -llsobs -lgio-2.0 -lgobject-2.0 -lglib-2.0 > "$tmp/said" 2>&1 &&
  $CC $sanitize -o "$tmp/host" "$tmp/host.c" -ldl >> "$tmp/said" 2>&1
report "a plugin and its host can be built" $?

timeout --kill-after=10 120 "$tmp/host" "$tmp/plugin.so" > "$tmp/said" 2>&1
report "a plugin can be loaded, used and unloaded again and again" $?

echo "1..$n"
