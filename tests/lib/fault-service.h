/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service on 127.0.0.1 that does to every connection one thing that services, and what stands before
 * them, do wrong. It speaks no HTTP of its own: it reads, and writes what it is given. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  FAULT_SOCKET_SERVES,
  FAULT_SOCKET_REFUSES,
  FAULT_SOCKET_IS_FULL, /* no connection is accepted, and no more may wait for that */
} FaultSocket;

typedef enum
{
  FAULT_READS_ALL,
  FAULT_READS_NOTHING,
  FAULT_READS_HALF, /* of the body */
  FAULT_READS_SOME, /* what comes first, whatever it is */
} FaultRead;

typedef enum
{
  FAULT_THEN_HANGS,
  FAULT_THEN_CLOSES,
  FAULT_THEN_RESETS,
} FaultThen;

typedef enum
{
  FAULT_ADDRESS_PLAIN,
  FAULT_ADDRESS_TLS,   /* of a service that has no certificate, and so says what it is given */
  FAULT_ADDRESS_TRUST, /* as before; and the certificates to trust take long to load */
  FAULT_ADDRESS_PROXY, /* a service elsewhere; this one is the proxy */
  FAULT_ADDRESS_NAME,  /* whose look-up never ends */
} FaultAddress;

/* To be written with designated initialisers; used as long as the service lives. */
typedef struct
{
  const char *name;
  FaultAddress address;
  FaultSocket socket;
  FaultRead read;
  const char *answer;  /* (nullable) written next */
  gsize answer_length; /* 0: strlen () */
  gboolean is_bomb;    /* then 64 MiB of zeros, by gzip */
  const char *rest;    /* (nullable) then this, again and again … */
  guint rest_ms;       /* … at this interval; 0: as fast as it is read */
  FaultThen then;
} Fault;

typedef struct _FaultService FaultService;

/* While a service lives, the environment or the resolver of GIO is another one, if its address needs
 * that. */
FaultService *fault_service_new (const Fault *fault);
/* closes all connections, and joins all threads */
void fault_service_free (FaultService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FaultService, fault_service_free)

const char *fault_service_get_url (FaultService *self);

G_END_DECLS
