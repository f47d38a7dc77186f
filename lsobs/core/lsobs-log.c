/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-log-private.h"

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
        g_message (_ ("Sending traces is paused: %s"), problem);
      else
        /* TRANSLATORS: the first text is a “replica %u at %s”, the second says why. */
        g_message (_ ("Sending traces to %s is paused: %s"), label, problem);
      break;
    case LSOBS_STATE_DEGRADED:
      if (label == NULL)
        /* TRANSLATORS: the text says why, as one or more sentences. */
        g_message (_ ("Traces are being lost: %s"), problem);
      else
        /* TRANSLATORS: the first text is a “replica %u at %s”, the second says why. */
        g_message (_ ("Traces to %s are being lost: %s"), label, problem);
      break;
    case LSOBS_STATE_OK:
    default:
      if (label == NULL)
        g_message (_ ("Traces are being delivered again"));
      else
        /* TRANSLATORS: the text is a “replica %u at %s”. */
        g_message (_ ("Traces to %s are being delivered again"), label);
      break;
    }
}

void
_lsobs_log_unavailable (const char *label, const char *problem)
{
  if (label == NULL)
    /* TRANSLATORS: the text says why, as one or more sentences. */
    g_message (_ ("Sending traces is paused; the traces are kept and sent later: %s"), problem);
  else
    /* TRANSLATORS: the first text is a “replica %u at %s”, the second says why. */
    g_message (_ ("Sending traces to %s is paused; the traces are kept and sent later: %s"), label,
               problem);
}

void
_lsobs_log_no_attachments (const char *path, const char *label)
{
  if (label == NULL)
    /* TRANSLATORS: the text is a path below the API URL, such as runs/batch. */
    g_message (_ ("Attachments are left out: %s takes none"), path);
  else
    /* TRANSLATORS: a “replica %u at %s”, and a path below its API URL, such as runs/batch. */
    g_message (_ ("Attachments to %s are left out: %s takes none"), label, path);
}

void
_lsobs_log_fallback (const char *missing, const char *used, const char *label)
{
  if (label == NULL)
    /* TRANSLATORS: both are paths below the API URL, such as runs/batch. */
    g_message (_ ("The service has no %s; using %s"), missing, used);
  else
    /* TRANSLATORS: a “replica %u at %s”, and two paths below its API URL, such as runs/batch. */
    g_message (_ ("%s has no %s; using %s"), label, missing, used);
}

void
_lsobs_log_no_compression (const char *label)
{
  if (label == NULL)
    g_message (
        _ ("The service takes no compressed requests; they are sent as they are from now on"));
  else
    /* TRANSLATORS: the text is a “replica %u at %s”. */
    g_message (_ ("%s takes no compressed requests; they are sent as they are from now on"), label);
}
