/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

/**
 * LSOBS_ERROR:
 *
 * The domain of errors of settings, runs and the service; codes are #LsobsError.
 *
 * Since: 0.1
 */
#define LSOBS_ERROR (lsobs_error_quark ())

/**
 * LsobsError:
 * @LSOBS_ERROR_INVALID_CONFIG: a setting has a value that cannot work
 * @LSOBS_ERROR_INVALID_RUN: the identity of a run breaks the protocol's rules
 * @LSOBS_ERROR_TOO_LARGE: the service does not take as much in one request
 * @LSOBS_ERROR_REJECTED: the service refuses the content (400, 422)
 * @LSOBS_ERROR_REFUSED: the service does not take such a request, whatever is in
 *   it (other 4xx, 501, 505)
 * @LSOBS_ERROR_CONFLICT: the service has had one of the runs already (409)
 * @LSOBS_ERROR_UNAUTHORIZED: the service refuses the key (401, 403)
 * @LSOBS_ERROR_QUOTA: a monthly limit of the account is used up
 * @LSOBS_ERROR_LIMITED: an hourly limit of the account is used up, and will be
 *   there again with the next hour
 * @LSOBS_ERROR_NOT_FOUND: there is no such service at this address (404)
 * @LSOBS_ERROR_REDIRECTED: the address answers with a redirect, which is never
 *   followed, since the key would travel along
 * @LSOBS_ERROR_UNAVAILABLE: the service answered with an error that may pass
 *   (5xx, 429, 408 …) at every attempt
 * @LSOBS_ERROR_UNREACHABLE: no answer at any attempt
 * @LSOBS_ERROR_CLOSED: the object was shut down
 * @LSOBS_ERROR_INVALID_ATTACHMENT: the name of an attachment is empty, too long, or not UTF-8
 * @LSOBS_ERROR_INVALID_VALUE: something is said of a run that cannot be
 * @LSOBS_ERROR_INVALID_FEEDBACK: feedback breaks the protocol's rules
 * @LSOBS_ERROR_NO_KEY: there is no key: the command of a profile has failed, or its OAuth
 *   token is gone
 * @LSOBS_ERROR_FOREIGN: the answer is not the service's, but that of a proxy, a
 *   firewall, a sign-in portal, or of another server at this address
 * @LSOBS_ERROR_BLOCKED: a proxy or firewall refuses the content, although the service
 *   behind it can be reached
 *
 * Errors of settings, runs and the service.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_ERROR_INVALID_CONFIG,
  LSOBS_ERROR_INVALID_RUN,
  LSOBS_ERROR_TOO_LARGE,
  LSOBS_ERROR_REJECTED,
  LSOBS_ERROR_REFUSED,
  LSOBS_ERROR_CONFLICT,
  LSOBS_ERROR_UNAUTHORIZED,
  LSOBS_ERROR_QUOTA,
  LSOBS_ERROR_LIMITED,
  LSOBS_ERROR_NOT_FOUND,
  LSOBS_ERROR_REDIRECTED,
  LSOBS_ERROR_UNAVAILABLE,
  LSOBS_ERROR_UNREACHABLE,
  LSOBS_ERROR_CLOSED,
  LSOBS_ERROR_INVALID_ATTACHMENT,
  LSOBS_ERROR_INVALID_VALUE,
  LSOBS_ERROR_INVALID_FEEDBACK,
  LSOBS_ERROR_NO_KEY,
  LSOBS_ERROR_FOREIGN,
  LSOBS_ERROR_BLOCKED
} LsobsError;

#define LSOBS_TYPE_ERROR (lsobs_error_get_type ())

/**
 * LSOBS_FLUSH_ERROR:
 *
 * The domain of errors of flushing; codes are #LsobsFlushError.
 *
 * Since: 0.1
 */
#define LSOBS_FLUSH_ERROR (lsobs_flush_error_quark ())

/**
 * LsobsFlushError:
 * @LSOBS_FLUSH_ERROR_TIMEOUT: not everything was sent in time, and sending goes on, or after
 *   a shutdown, the rest is lost; or what cannot be delivered was not written to
 *   #LsobsConfig:failed-traces-dir in time, and writing goes on
 * @LSOBS_FLUSH_ERROR_PERMANENT: all was tried, and some of it cannot be
 *   delivered
 * @LSOBS_FLUSH_ERROR_WOULD_DEADLOCK: nothing was done: a function that the sending has called,
 *   such as a redaction function, cannot wait for the sending, which waits for it
 * @LSOBS_FLUSH_ERROR_SPOOLED: nothing is lost, but records that could not be delivered are in
 *   #LsobsConfig:spool-dir, and are sent later
 *
 * Errors of flushing. lsobs_flush_error_get_waited(),
 * lsobs_flush_error_get_pending() and lsobs_flush_error_get_dropped() tell the
 * numbers behind the message.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_FLUSH_ERROR_TIMEOUT,
  LSOBS_FLUSH_ERROR_PERMANENT,
  LSOBS_FLUSH_ERROR_WOULD_DEADLOCK,
  LSOBS_FLUSH_ERROR_SPOOLED
} LsobsFlushError;

#define LSOBS_TYPE_FLUSH_ERROR (lsobs_flush_error_get_type ())

LSOBS_AVAILABLE_IN_0_1
GQuark lsobs_error_quark (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_error_get_type (void);

LSOBS_AVAILABLE_IN_0_1
GQuark lsobs_flush_error_quark (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_flush_error_get_type (void);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_flush_error_get_waited (const GError *error);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_flush_error_get_pending (const GError *error);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_flush_error_get_dropped (const GError *error);

G_END_DECLS
