/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-log-private.h"

/* How often a message about lost records is written at most, in µs. */
#define LOSS_INTERVAL (60 * G_USEC_PER_SEC)

/* How much of a word of the program is written. */
#define MAX_KIND_BYTES 100

/* The program may have a function for its log, which must not be called after the interpreter has
 * ended. */
static void G_GNUC_PRINTF (1, 2) log_message (const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (_lsobs_callback_ban_covers_all ())
    {
      const GLogField fields[] = { { "MESSAGE", message, -1 },
                                   { "PRIORITY", "5", -1 },
                                   { "GLIB_DOMAIN", G_LOG_DOMAIN, -1 } };

      g_log_writer_default (G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS (fields), NULL);
      return;
    }
  g_message ("%s", message);
}

/* Each message is written twice, with and without a label: a sentence that is put together
 * from parts has a fixed order of words, which is wrong in other languages. */

void
_lsobs_log_state (LsobsState state, const char *label, const char *problem)
{
  switch (state)
    {
    case LSOBS_STATE_PAUSED:
      if (label == NULL)
        /* TRANSLATORS: the text says why, as one or more sentences. */
        log_message (_ ("Sending traces is paused: %s"), problem);
      else
        /* TRANSLATORS: the first text is a “replica %u at %s”, the second says why. */
        log_message (_ ("Sending traces to %s is paused: %s"), label, problem);
      break;
    case LSOBS_STATE_DEGRADED:
      if (label == NULL)
        /* TRANSLATORS: the text says why, as one or more sentences. */
        log_message (_ ("Traces are being lost: %s"), problem);
      else
        /* TRANSLATORS: the first text is a “replica %u at %s”, the second says why. */
        log_message (_ ("Traces to %s are being lost: %s"), label, problem);
      break;
    case LSOBS_STATE_OK:
    default:
      if (label == NULL)
        log_message (_ ("Traces are being delivered again"));
      else
        /* TRANSLATORS: the text is a “replica %u at %s”. */
        log_message (_ ("Traces to %s are being delivered again"), label);
      break;
    }
}

void
_lsobs_log_not_traced (const char *problem)
{
  /* TRANSLATORS: the text says what is wrong, such as “LANGSMITH_TRACING must be true or false”. */
  log_message (_ ("Tracing is off for this program: %s. Correct that and start the program again, "
                  "or set LANGSMITH_TRACING=false"),
               problem);
}

/* @logged: (inout) (atomic)
 * Returns: whether this is the first call in the process, or in one that it was forked from */
static gboolean
is_first (int *logged)
{
  return g_atomic_int_compare_and_exchange (logged, FALSE, TRUE);
}

void
_lsobs_log_untrusted_headers (void)
{
  static int logged; /* (atomic) */

  if (is_first (&logged))
    /* TRANSLATORS: trust-incoming-headers is the name of a setting. */
    log_message (
        _ ("A request came in with the headers of a trace, which are not trusted: its runs "
           "begin a trace of their own. If all clients are authenticated, set "
           "trust-incoming-headers"));
}

void
_lsobs_log_unknown_type (const char *kind)
{
  static int logged; /* (atomic) */
  g_autofree char *escaped = NULL;

  if (!is_first (&logged))
    return;
  escaped = g_utf8_make_valid (kind, (gssize) strnlen (kind, MAX_KIND_BYTES));
  /* TRANSLATORS: a word of the program; then names of types and of metadata, which stay as they are. */
  log_message (_ ("The service has no type of runs “%s”: they are sent as chain, with the word in "
                  "the metadata ls_run_kind. Its types are chain, llm, tool, retriever, embedding, "
                  "prompt and parser"),
               escaped);
}

void
_lsobs_log_broken_profile (const char *path, const char *problem)
{
  static int logged; /* (atomic) */
  g_autofree char *name = NULL;

  if (!is_first (&logged))
    return;
  name = g_filename_display_name (path);
  /* TRANSLATORS: a file, and what is wrong with it. */
  log_message (_ ("The profiles in %s are left out: %s"), name, problem);
}

void
_lsobs_log_no_override (void)
{
  /* TRANSLATORS: python3-lsobs, gi.overrides.Lsobs and --system-site-packages stay as they are. */
  log_message (_ ("Python cannot find gi.overrides.Lsobs, so lsobs takes no dict and has no with "
                  "block. Install the package python3-lsobs; in a virtual environment, make that "
                  "with --system-site-packages"));
}

void
_lsobs_log_unavailable (const char *label, const char *problem)
{
  if (label == NULL)
    /* TRANSLATORS: the text says why, as one or more sentences. */
    log_message (_ ("Sending traces is paused; lsobs tries again while the program runs: %s"),
                 problem);
  else
    /* TRANSLATORS: the first text is a “replica %u at %s”, the second says why. */
    log_message (_ ("Sending traces to %s is paused; lsobs tries again while the program runs: %s"),
                 label, problem);
}

void
_lsobs_log_no_attachments (const char *path, const char *label)
{
  if (label == NULL)
    /* TRANSLATORS: the text is a path below the API URL, such as runs/batch. */
    log_message (_ ("Attachments are left out: %s takes none"), path);
  else
    /* TRANSLATORS: a “replica %u at %s”, and a path below its API URL, such as runs/batch. */
    log_message (_ ("Attachments to %s are left out: %s takes none"), label, path);
}

void
_lsobs_log_fallback (const char *missing, const char *used, const char *label)
{
  if (label == NULL)
    /* TRANSLATORS: both are paths below the API URL, such as runs/batch. */
    log_message (_ ("The service has no %s; using %s"), missing, used);
  else
    /* TRANSLATORS: a “replica %u at %s”, and two paths below its API URL, such as runs/batch. */
    log_message (_ ("%s has no %s; using %s"), label, missing, used);
}

void
_lsobs_log_no_compression (const char *label)
{
  if (label == NULL)
    log_message (
        _ ("The service takes no compressed requests; they are sent as they are from now on"));
  else
    /* TRANSLATORS: the text is a “replica %u at %s”. */
    log_message (_ ("%s takes no compressed requests; they are sent as they are from now on"),
                 label);
}

/* Called from any thread. */
void
_lsobs_log_lost (guint64 n_records, gboolean is_end)
{
  static guint64 n_pending; /* guarded by _lsobs_fork_lock (), as the next */
  static gint64 written_at; /* monotonic, µs; 0: never */
  static guint epoch;       /* the process that both belong to */
  gint64 now = g_get_monotonic_time ();

  _lsobs_fork_lock ();
  if (epoch != _lsobs_fork_epoch ())
    {
      n_pending = 0;
      written_at = 0;
    }
  epoch = _lsobs_fork_epoch ();
  n_pending += n_records;
  n_records = 0;
  if (is_end || written_at == 0 || now - written_at >= LOSS_INTERVAL)
    {
      n_records = n_pending;
      n_pending = 0;
    }
  if (n_records > 0)
    written_at = now;
  _lsobs_fork_unlock ();
  if (n_records == 0)
    return;
  log_message (
      g_dngettext (GETTEXT_PACKAGE,
                   /* TRANSLATORS: the words in capital letters are variables of the
                    * environment, shutdown-timeout is a property. */
                   "%" PRIu64 " record is lost: it was not delivered before the end of its "
                   "observer or of the program. To wait longer, raise "
                   "LANGSMITH_EXIT_TIMEOUT_MS or the property shutdown-timeout; to keep such "
                   "records, set LANGSMITH_FAILED_TRACES_DIR",
                   "%" PRIu64 " records are lost: they were not delivered before the end "
                   "of their observers or of the program. To wait longer, raise "
                   "LANGSMITH_EXIT_TIMEOUT_MS or the property shutdown-timeout; to keep such "
                   "records, set LANGSMITH_FAILED_TRACES_DIR",
                   (gulong) MIN (n_records, G_MAXULONG)),
      n_records);
}

/* Called from any thread. */
void
_lsobs_log_early_end (const char *name)
{
  static int is_written; /* (atomic) */

  if (!g_atomic_int_compare_and_exchange (&is_written, FALSE, TRUE))
    return;
  log_message (
      /* TRANSLATORS: the text is the name of a run. lsobs_run_wrap() is a function of the library,
       * yield a word of the language Vala. */
      _ ("The run “%s” goes on after its end: lsobs_run_wrap() has ended it, since its function has "
         "returned. Work that the main loop goes on with, as a function with yield, starts and ends its "
         "run itself"),
      name);
}

/* Called from any thread. */
void
_lsobs_log_other_files (guint n_files, const char *path)
{
  log_message (
      g_dngettext (
          GETTEXT_PACKAGE,
          /* TRANSLATORS: the plural is that of the files; the text is a path. */
          "%u file in %s was not sent: it was written for another address, workspace, "
          "project or key; send it with the settings of the program that has written it, "
          "such as LANGSMITH_PROJECT",
          "%u files in %s were not sent: they were written for another address, workspace, "
          "project or key; send them with the settings of the program that has written them, "
          "such as LANGSMITH_PROJECT",
          n_files),
      n_files, path);
}
