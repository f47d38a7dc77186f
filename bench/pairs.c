/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes pairs, the start and the end of a run, of one kind, for a program that counts instructions:
 *
 *   make bench/pairs && bench/pairs KIND BURSTS
 *
 * A burst is 100 pairs and a flush; what comes before fills caches and pools. The caller's part of a burst
 * is do_pairs (): bench/instructions.py lets callgrind collect in it alone. In the other threads, between
 * two numbers of bursts only the number of runs differs, as what is done once is in both counts. */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench-helpers.h"
#include "bench/null-transport.h"

#define BURST 100
#define WARM  4 /* bursts */

typedef enum
{
  KIND_READY,
  KIND_NODE,
  KIND_NOTES,
  KIND_UNSAMPLED
} Kind;

static const struct
{
  const char *name;
  Kind kind;
  gsize size;
} kinds[] = {
  { "ready-100", KIND_READY, 100 },     { "ready-1000", KIND_READY, 1000 },
  { "ready-10000", KIND_READY, 10000 }, { "ready-100000", KIND_READY, 100000 },
  { "node-100", KIND_NODE, 100 },       { "node-1000", KIND_NODE, 1000 },
  { "node-10000", KIND_NODE, 10000 },   { "node-100000", KIND_NODE, 100000 },
  { "notes-1000", KIND_NOTES, 1000 },   { "unsampled-1000", KIND_UNSAMPLED, 1000 },
};

typedef struct
{
  LsobsObserver *observer; /* (owned) */
  Kind kind;
  GBytes *bytes;  /* (owned) */
  JsonNode *node; /* (owned) */
} Pairs;

static void
make_burst (const Pairs *self)
{
  for (guint i = 0; i < BURST; i++)
    switch (self->kind)
      {
      case KIND_NODE:
        bench_pair_node (self->observer, self->node, self->node);
        break;
      case KIND_NOTES:
        bench_pair_with_notes (self->observer, self->bytes, self->bytes);
        break;
      case KIND_READY:
      case KIND_UNSAMPLED:
      default:
        bench_pair_bytes (self->observer, self->bytes, self->bytes);
        break;
      }
}

/* Its name is what callgrind is told. */
static void G_NO_INLINE
do_pairs (const Pairs *self)
{
  make_burst (self);
}

int
main (int argc, char **argv)
{
  LsobsConfig *config = bench_config_new (NULL);
  Pairs self = { NULL };
  guint n_bursts = argc == 3 ? (guint) atoi (argv[2]) : 0;
  guint i = 0;

  while (argc == 3 && i < G_N_ELEMENTS (kinds) && strcmp (kinds[i].name, argv[1]) != 0)
    i++;
  if (n_bursts == 0 || i == G_N_ELEMENTS (kinds))
    {
      g_printerr ("Usage: bench/pairs KIND BURSTS; a KIND is one of:\n");
      for (i = 0; i < G_N_ELEMENTS (kinds); i++)
        g_printerr ("  %s\n", kinds[i].name);
      return 2;
    }
  self.kind = kinds[i].kind;
  self.bytes = bench_make_bytes (kinds[i].size);
  self.node = bench_make_node (kinds[i].size);
  if (self.kind == KIND_UNSAMPLED)
    lsobs_config_set_sampling_rate (config, 0);
  /* The first pair of a burst wakes the other thread, and nothing else does: what it does at the same time
   * is chance. */
  lsobs_config_set_max_batch_size (config, 10 * BURST);
  self.observer = bench_observer_new (config, bench_null_transport_new ());
  for (i = 0; i < WARM + n_bursts; i++)
    {
      if (i < WARM)
        make_burst (&self);
      else
        do_pairs (&self);
      bench_flush (self.observer);
    }
  bench_observer_end (self.observer);
  g_bytes_unref (self.bytes);
  json_node_unref (self.node);
  return 0;
}
