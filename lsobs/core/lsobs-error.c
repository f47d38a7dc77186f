/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-error-private.h"

/**
 * SECTION:lsobs-error
 * @title: Errors
 * @short_description: the error domains of lsobs
 *
 * The domain %LSOBS_ERROR is for errors of settings, runs and the service. The domain
 * %LSOBS_FLUSH_ERROR is for errors of a flush or a shutdown. No message contains the API key.
 */

/* clang-format off */
/**
 * lsobs_error_quark:
 *
 * Gets the error domain %LSOBS_ERROR, whose codes are #LsobsError.
 *
 * Returns: a quark
 *
 * Since: 0.1
 */
G_DEFINE_QUARK (lsobs-error-quark, lsobs_error)
/* clang-format on */

G_DEFINE_ENUM_TYPE (LsobsError,
                    lsobs_error,
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_INVALID_CONFIG, "invalid-config"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_INVALID_RUN, "invalid-run"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_TOO_LARGE, "too-large"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_REJECTED, "rejected"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_REFUSED, "refused"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_CONFLICT, "conflict"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_UNAUTHORIZED, "unauthorized"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_QUOTA, "quota"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_LIMITED, "limited"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_NOT_FOUND, "not-found"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_REDIRECTED, "redirected"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_UNAVAILABLE, "unavailable"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_UNREACHABLE, "unreachable"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_CLOSED, "closed"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_INVALID_ATTACHMENT, "invalid-attachment"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_INVALID_VALUE, "invalid-value"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_INVALID_FEEDBACK, "invalid-feedback"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_NO_KEY, "no-key"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_FOREIGN, "foreign"),
                    G_DEFINE_ENUM_VALUE (LSOBS_ERROR_BLOCKED, "blocked"))

G_DEFINE_ENUM_TYPE (LsobsFlushError,
                    lsobs_flush_error,
                    G_DEFINE_ENUM_VALUE (LSOBS_FLUSH_ERROR_TIMEOUT, "timeout"),
                    G_DEFINE_ENUM_VALUE (LSOBS_FLUSH_ERROR_PERMANENT, "permanent"),
                    G_DEFINE_ENUM_VALUE (LSOBS_FLUSH_ERROR_WOULD_DEADLOCK, "would-deadlock"),
                    G_DEFINE_ENUM_VALUE (LSOBS_FLUSH_ERROR_SPOOLED, "spooled"))

/* The numbers that a flush error has in addition to its message. */
typedef struct
{
  gint64 waited_ms;
  guint64 n_pending;
  guint64 n_dropped;
} LsobsFlushErrorPrivate;

static void
lsobs_flush_error_private_init (LsobsFlushErrorPrivate *priv)
{
  g_assert (priv != NULL);

  priv->waited_ms = 0;
  priv->n_pending = 0;
  priv->n_dropped = 0;
}

static void
lsobs_flush_error_private_copy (const LsobsFlushErrorPrivate *src, LsobsFlushErrorPrivate *dest)
{
  g_assert (src != NULL && dest != NULL);

  *dest = *src;
}

static void
lsobs_flush_error_private_clear (LsobsFlushErrorPrivate *priv)
{
  lsobs_flush_error_private_init (priv);
}

/**
 * lsobs_flush_error_quark:
 *
 * Gets the error domain %LSOBS_FLUSH_ERROR, whose codes are #LsobsFlushError.
 *
 * Returns: a quark
 *
 * Since: 0.1
 */
G_DEFINE_EXTENDED_ERROR (LsobsFlushError, lsobs_flush_error)

static void
set_numbers (GError *error, gint64 waited_ms, guint64 n_pending, guint64 n_dropped)
{
  LsobsFlushErrorPrivate *priv = lsobs_flush_error_get_private (error);

  g_assert (priv != NULL);

  priv->waited_ms = waited_ms;
  priv->n_pending = n_pending;
  priv->n_dropped = n_dropped;
}

void
_lsobs_error_set_no_descriptors (GError **error)
{
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                       _ ("This process has no file descriptor left; close some, or raise the "
                          "limit of open files"));
}

static void
set_pending_because (GError **error, gint64 limit_ms, guint64 n_pending, const char *reason)
{
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT,
               g_dngettext (GETTEXT_PACKAGE,
                            /* TRANSLATORS: the plural is that of the records; the text is the last
                             * error of the service, as a sentence. */
                            "Flushing took longer than %" PRId64 " ms; "
                            "%" PRIu64 " record is still to be sent: %s",
                            "Flushing took longer than %" PRId64 " ms; "
                            "%" PRIu64 " records are still to be sent: %s",
                            (gulong) MIN (n_pending, G_MAXULONG)),
               limit_ms, n_pending, reason);
}

static void
set_pending (GError **error, gint64 limit_ms, guint64 n_pending)
{
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT,
               g_dngettext (GETTEXT_PACKAGE,
                            /* TRANSLATORS: the plural is that of the records. */
                            "Flushing took longer than %" PRId64 " ms; "
                            "%" PRIu64 " record is still to be sent",
                            "Flushing took longer than %" PRId64 " ms; "
                            "%" PRIu64 " records are still to be sent",
                            (gulong) MIN (n_pending, G_MAXULONG)),
               limit_ms, n_pending);
}

static void
set_cut_off (GError **error, gint64 limit_ms, guint64 n_dropped)
{
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT,
               g_dngettext (GETTEXT_PACKAGE,
                            /* TRANSLATORS: the plural is that of the records. */
                            "Sending did not end within %" PRId64 " ms: %" PRIu64 " record lost; "
                            "see whether the service answers, or allow the shutdown more time",
                            "Sending did not end within %" PRId64 " ms: %" PRIu64 " records lost; "
                            "see whether the service answers, or allow the shutdown more time",
                            (gulong) MIN (n_dropped, G_MAXULONG)),
               limit_ms, n_dropped);
}

static void
set_cut_off_because (GError **error, gint64 limit_ms, guint64 n_dropped, const char *reason)
{
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT,
               g_dngettext (GETTEXT_PACKAGE,
                            /* TRANSLATORS: the plural is that of the records; the text is the last
                             * error of the service, as a sentence. */
                            "Sending did not end within %" PRId64 " ms: %" PRIu64
                            " record lost: %s",
                            "Sending did not end within %" PRId64 " ms: %" PRIu64
                            " records lost: %s",
                            (gulong) MIN (n_dropped, G_MAXULONG)),
               limit_ms, n_dropped, reason);
}

/* Without pending records, the end of a shutdown has decided what became of them.
 * @limit_ms: that was given, or how long it took if there was none
 * @reason: (nullable): the last error of the service */
void
_lsobs_flush_error_set_timeout (GError **error,
                                gint64 waited_ms,
                                gint64 limit_ms,
                                guint64 n_pending,
                                guint64 n_dropped,
                                const char *reason)
{
  if (error == NULL)
    return;
  if (n_pending > 0 && reason != NULL)
    set_pending_because (error, limit_ms, n_pending, reason);
  else if (n_pending > 0)
    set_pending (error, limit_ms, n_pending);
  else if (reason != NULL)
    set_cut_off_because (error, limit_ms, n_dropped, reason);
  else
    set_cut_off (error, limit_ms, n_dropped);
  set_numbers (*error, waited_ms, n_pending, n_dropped);
}

/* Lost records are not yet written to the directory of lost traces.
 * @limit_ms: that was given, or how long it took if there was none */
void
_lsobs_flush_error_set_unwritten (GError **error,
                                  gint64 waited_ms,
                                  gint64 limit_ms,
                                  guint64 n_pending,
                                  guint64 n_dropped)
{
  if (error == NULL)
    return;
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT,
               _ ("Flushing took longer than %" PRId64 " ms; lost records are still to be written "
                  "to the directory of lost traces"),
               limit_ms);
  set_numbers (*error, waited_ms, n_pending, n_dropped);
}

/* Names each number of records that is not 0, such as "1 record lost, 2 records in the spool".
 * Returns: (transfer full) */
static char *
make_list (guint64 n_dropped, guint64 n_pending, guint64 n_spooled)
{
  g_autofree char *dropped =
      g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%" PRIu64 " record lost",
                                    "%" PRIu64 " records lost",
                                    (gulong) MIN (n_dropped, G_MAXULONG)),
                       n_dropped);
  g_autofree char *pending =
      g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%" PRIu64 " record still to be sent",
                                    "%" PRIu64 " records still to be sent",
                                    (gulong) MIN (n_pending, G_MAXULONG)),
                       n_pending);
  g_autofree char *spooled =
      g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%" PRIu64 " record in the spool",
                                    "%" PRIu64 " records in the spool",
                                    (gulong) MIN (n_spooled, G_MAXULONG)),
                       n_spooled);
  const char *parts[4];
  guint n = 0;

  if (n_dropped > 0)
    parts[n++] = dropped;
  if (n_pending > 0)
    parts[n++] = pending;
  if (n_spooled > 0)
    parts[n++] = spooled;
  parts[n] = NULL;
  /* TRANSLATORS: between the parts of a list such as "1 record lost, 2 records in the spool" */
  return g_strjoinv (_ (", "), (char **) parts);
}

void
_lsobs_flush_error_set_permanent (GError **error,
                                  gint64 waited_ms,
                                  guint64 n_pending,
                                  guint64 n_dropped,
                                  guint64 n_spooled,
                                  const char *reason)
{
  g_autofree char *list = NULL;

  if (error == NULL)
    return;
  list = make_list (n_dropped, n_pending, n_spooled);
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT,
               /* TRANSLATORS: a list such as “1 record lost, 2 records in the spool”, and why */
               _ ("Not everything could be delivered: %s: %s"), list, reason);
  set_numbers (*error, waited_ms, n_pending, n_dropped);
}

/* @reason: why the records were not delivered */
void
_lsobs_flush_error_set_spooled (GError **error,
                                gint64 waited_ms,
                                guint64 n_spooled,
                                const char *reason)
{
  if (error == NULL)
    return;
  g_set_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_SPOOLED,
               g_dngettext (GETTEXT_PACKAGE,
                            /* TRANSLATORS: the plural is that of what waits; the text says why. */
                            "Not everything could be delivered: %" PRIu64
                            " record waits in the spool: %s",
                            "Not everything could be delivered: %" PRIu64
                            " records wait in the spool: %s",
                            (gulong) MIN (n_spooled, G_MAXULONG)),
               n_spooled, reason);
  set_numbers (*error, waited_ms, 0, 0);
}

void
_lsobs_flush_error_set_would_deadlock (GError **error)
{
  g_set_error_literal (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_WOULD_DEADLOCK,
                       _ ("Nothing was flushed: a function that is called to send traces cannot "
                          "wait for the sending; flush asynchronously there"));
}

/**
 * lsobs_flush_error_get_waited:
 * @error: an error of the domain %LSOBS_FLUSH_ERROR
 *
 * Gets how long the flush or the shutdown has waited.
 *
 * Returns: the time, in milliseconds
 *
 * Since: 0.1
 */
gint64
lsobs_flush_error_get_waited (const GError *error)
{
  g_return_val_if_fail (error != NULL && error->domain == LSOBS_FLUSH_ERROR, 0);

  return lsobs_flush_error_get_private (error)->waited_ms;
}

/**
 * lsobs_flush_error_get_pending:
 * @error: an error of the domain %LSOBS_FLUSH_ERROR
 *
 * Gets how many records were neither delivered nor lost at the end of the flush.
 *
 * Returns: the number of records
 *
 * Since: 0.1
 */
guint64
lsobs_flush_error_get_pending (const GError *error)
{
  g_return_val_if_fail (error != NULL && error->domain == LSOBS_FLUSH_ERROR, 0);

  return lsobs_flush_error_get_private (error)->n_pending;
}

/**
 * lsobs_flush_error_get_dropped:
 * @error: an error of the domain %LSOBS_FLUSH_ERROR
 *
 * Gets how many records were lost during the flush.
 *
 * Returns: the number of records
 *
 * Since: 0.1
 */
guint64
lsobs_flush_error_get_dropped (const GError *error)
{
  g_return_val_if_fail (error != NULL && error->domain == LSOBS_FLUSH_ERROR, 0);

  return lsobs_flush_error_get_private (error)->n_dropped;
}
