"""The pure part of the agent: it decides, and touches nothing.

Everything here is a function from values to values: no I/O, no clock of its own, no Kubernetes client.
What it decides is carried out by `agent.syncer`, through the protocols of `agent.kube`.

The road of one application
---------------------------

1. `manifest_set` reads the list of resources the hub assigned; `traits` reads what their annotations ask for.
2. `reconcile` pairs every target with what is live, and adds what is live, tracked, and not assigned any more.
3. `tasks` makes the plan of an operation of that: phases, waves, steps. `order` has the kinds, `needs` what cannot be
   there without what, `options` the sync options.
4. `progress` says after each thing that happened what is next, from the plan and the book of results alone.
5. `drift` and `diff` judge one object: what the API server would make of the assigned manifest, against what is there.
6. `health` says what state an object is in; `status` rolls objects up into the application.
7. `operation` decides when to begin, retry or give up, and names what is told of it.

Phases, waves, steps
--------------------

A Task is something to do about one object in one phase; its id is (phase, key), and nothing is done twice under one id.
A hook has a task in each phase it names, everything else has one in Sync.

- A sync goes PreSync → Sync → PostSync. SyncFail is planned apart (`Plan.on_failure`) and begun only after a failure.
  The end of an application (`ends`) goes PreDelete → Sync → PostDelete, and Sync has nothing but prunes.
- Waves go up within a phase: `argocd.argoproj.io/sync-wave`, else `helm.sh/hook-weight`, else 0. What is no whole
  number of 64 bits is not given.
- In a wave the prunes come first, then what is applied. Applied is in the order (kind, name, rest of the key), pruned
  the other way round. All of one rank of kinds are one step, done at the same time; the kinds that `order.KINDS` does
  not name share the last. A prune that waits for a confirmation holds up nothing of its own wave.
- A provider (a Namespace, a CustomResourceDefinition) moves up to the phase and wave of the first task that needs it,
  never down. SyncFail tasks neither move it nor are moved; a hook of several phases moves with its first.
- Prunes are in Sync. With waves w1 < … < wn among them, what is of wi goes in w(n+1-i). `PruneLast` puts a prune one
  wave behind everything else in Sync, 1 at the least. A provider goes no earlier than what of it is pruned.
- A selective operation (`only`) runs no hooks. With `out_of_sync_only` what is as assigned is not in the plan; else it
  is there as `Wave.unchanged`, for its health.

The plan is a function of the set of pairs and hooks, whatever the order they come in.

What is pruned
--------------

Live, tracked by this application under its own id, neither assigned nor a hook of what is assigned, no hook itself
(unless `ends`: then all but PostDelete hooks go). It is left, with the reason, for `Prune=false` and `keep`, with
`ends` also for `Delete=false` and if it is a definition; a provider also while anything of it is assigned or left. It
waits for a confirmation if it asks for one, and a provider if anything pruned of it does.

Hooks
-----

A hook is an object with `argocd.argoproj.io/hook` (other than Skip alone), or with `helm.sh/hook` (other than
crd-install alone). Argo CD's annotation hides Helm's unless it has no word that is known. One that names no known phase
is never applied: `Traits.hook` is an empty set then, and None for what is no hook. Delete policies of both spellings
add up; without any it is BeforeHookCreation.

From wave to wave
-----------------

`next_move` gives one of four moves, for the first wave that is not over:

- Carry: these tasks were not begun.
- Wait: these run. Hooks are always waited for; the rest, unchanged objects included, only where something comes after
  it: in every wave of several but the last, in the last too if it has hooks, and everywhere with `to_the_end`.
- Failed: these were refused (SyncFailed) or, where they are waited for, went bad. A refusal ends a wave before it is
  all carried out, but not before its hooks have ended; ill health only after: it may be for want of what is to come.
- Done.

So a single wave without hooks is over once it is applied. The book alone decides: after a kill what was applied is
planned anew and found unchanged, and hooks are in the book, so none runs twice.

Verdicts
--------

`outcome` makes of health the state of a task:

    health                  object      hook
    none, Healthy           Succeeded   Succeeded
    Progressing, Suspended  Running     Running
    Missing                 Running     Running
    Degraded                Failed      Failed
    Unknown                 Running     Failed

A prune runs until its object is gone. `overdue` fails what runs too long: a hook after a day, an object after an hour,
a prune after a quarter of one, or after the object's own `escadre.io/time-limit`.
"""
