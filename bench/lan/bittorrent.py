#!/usr/bin/python3
"""One peer of BitTorrent, by libtorrent: its own TCP, no encryption, and nobody else is looked for.

bittorrent.py make FILE TORRENT
bittorrent.py seed FILE TORRENT ADDRESS PORT
bittorrent.py leech FOLDER TORRENT ADDRESS PORT SEED_ADDRESS SEED_PORT

The seed says "ready". Both say at the end what they have used.
"""

import json
import os
import resource
import sys
import threading
import time

import libtorrent as lt

PIECE_BYTES = 1 << 20


def make(file, torrent):
    files = lt.file_storage()
    lt.add_files(files, file)
    created = lt.create_torrent(files, PIECE_BYTES, lt.create_torrent.v1_only)
    lt.set_piece_hashes(created, os.path.dirname(file))
    with open(torrent, "wb") as out:
        out.write(lt.bencode(created.generate()))


def session(address, port):
    return lt.session({
        "listen_interfaces": f"{address}:{port}", "outgoing_interfaces": address,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "in_enc_policy": 2, "out_enc_policy": 2,
        "unchoke_slots_limit": -1, "allow_multiple_connections_per_ip": True,
        "send_buffer_watermark": 4 << 20, "send_buffer_low_watermark": 1 << 20,
        "max_out_request_queue": 1500, "max_allowed_in_request_queue": 3000,
        "max_queued_disk_bytes": 64 << 20, "alert_mask": 0,
    })


def add(own, torrent, folder, flags=0):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.storage_mode = lt.storage_mode_t.storage_mode_allocate
    params.flags |= flags | lt.torrent_flags.disable_pex
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return own.add_torrent(params)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say_result(seconds, cpu):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "peakRssBytes": peak}), flush=True)


def seed(file, torrent, address, port):
    own = session(address, port)
    handle = add(own, torrent, os.path.dirname(file), lt.torrent_flags.seed_mode)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", flush=True)
    while handle.status().num_peers == 0 and not ended.is_set():
        time.sleep(0.01)
    started, before = time.monotonic(), cpu_seconds()
    ended.wait()
    say_result(time.monotonic() - started, cpu_seconds() - before)


def leech(folder, torrent, address, port, seed_address, seed_port):
    os.makedirs(folder, exist_ok=True)
    own = session(address, port)
    handle = add(own, torrent, folder)
    while handle.status().state not in (lt.torrent_status.downloading,):
        time.sleep(0.01)
    started, before, asked = time.monotonic(), cpu_seconds(), 0.0
    while not handle.status().is_seeding:
        if handle.status().num_peers == 0 and time.monotonic() - asked > 1:
            handle.connect_peer((seed_address, int(seed_port)))
            asked = time.monotonic()
        time.sleep(0.01)
    say_result(time.monotonic() - started, cpu_seconds() - before)


role, *arguments = sys.argv[1:]
{"make": make, "seed": seed, "leech": leech}[role](*arguments)
sys.stdout.flush()
# The session's threads would take their time to end.
os._exit(0)
