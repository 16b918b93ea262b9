package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"atrium/storage/kv"
)

// heap keeps the values that are written once and stay, apart from Badger, which would write each
// of them again and again when it merges tables. It is a folder of files, numbered from 1; a
// value is some bytes of one of them, and Badger has its place. A file is written at its end
// only, by one goroutine, and synced for checkpoints: what came after the last is in the journal.
// What nothing refers to any more is given back by the collector.
type heap struct {
	dir  string
	most int64 // bytes of a file from which the next one begins
	buf  []byte
	shed atomic.Int64 // values that may have been deleted since the last collection

	syncing sync.Mutex // held while files are synced, or one is removed; taken before mu

	mu      sync.RWMutex
	files   map[uint32]*heapFile
	head    uint32 // the file that is written; 0 when there is none yet
	dirty   []*heapFile
	newFile bool // the folder is not synced since a file was made
}

type heapFile struct {
	id    uint32
	file  *os.File
	size  int64 // bytes written; guarded by heap.mu
	dirty bool  // guarded by heap.mu
}

// place is where a value is in the heap.
type place struct {
	file, offset, length uint32
	sum                  uint32 // CRC-32C of the value
}

const (
	placeSize   = 16
	heapSuffix  = ".heap"
	heapWrite   = 1 << 20 // bytes that are written at once
	heapTypical = 2 << 10 // bytes of a value, about
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// put encodes p in placeSize bytes, little-endian.
func (p place) put(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, p.file)
	b = binary.LittleEndian.AppendUint32(b, p.offset)
	b = binary.LittleEndian.AppendUint32(b, p.length)
	return binary.LittleEndian.AppendUint32(b, p.sum)
}

func parsePlace(b []byte) (p place, err error) {
	if len(b) != placeSize {
		return p, fmt.Errorf("place of a value, %d bytes: %w", len(b), kv.Damaged)
	}
	return place{
		binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]),
		binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]),
	}, nil
}

// openHeap opens the heap in dir, which is made when there is something to write.
func openHeap(dir string, most int64) (*heap, error) {
	h := &heap{dir: dir, most: most, files: map[uint32]*heapFile{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), heapSuffix)
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil || id == 0 {
			return nil, errors.Join(fmt.Errorf("%s: not a heap file's name", filepath.Join(dir, e.Name())), h.close())
		}
		if err := h.openFile(uint32(id)); err != nil {
			return nil, errors.Join(err, h.close())
		}
		h.head = max(h.head, uint32(id))
	}
	return h, nil
}

func (h *heap) path(id uint32) string {
	return filepath.Join(h.dir, fmt.Sprintf("%010d%s", id, heapSuffix))
}

func (h *heap) openFile(id uint32) error {
	f, err := os.OpenFile(h.path(id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	h.mu.Lock()
	h.files[id] = &heapFile{id: id, file: f, size: info.Size()}
	h.mu.Unlock()
	return nil
}

// room returns the file that takes n bytes more. Only the goroutine that appends calls it.
func (h *heap) room(n int64) (*heapFile, error) {
	if f := h.file(h.head); f != nil && (f.size == 0 || f.size+n <= h.most) {
		return f, nil
	}
	if h.head == 0 {
		if err := os.MkdirAll(h.dir, 0o700); err != nil {
			return nil, err
		}
		if err := syncFile(filepath.Dir(h.dir)); err != nil {
			return nil, err
		}
	}
	if err := h.openFile(h.head + 1); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.head++
	h.newFile = true
	return h.files[h.head], nil
}

// append writes the values of list and returns their places. They are durable after the next sync.
func (h *heap) append(list []*write) (places []place, err error) {
	places = make([]place, 0, len(list))
	var f *heapFile
	h.buf = h.buf[:0]
	for _, w := range list {
		n := int64(len(w.value))
		if f == nil || len(h.buf) >= heapWrite || f.size+int64(len(h.buf))+n > h.most {
			if err := h.flush(f); err != nil {
				return nil, err
			}
			if f, err = h.room(n); err != nil {
				return nil, err
			}
		}
		at := f.size + int64(len(h.buf))
		places = append(places, place{f.id, uint32(at), uint32(n), crc32.Checksum(w.value, castagnoli)})
		h.buf = append(h.buf, w.value...)
	}
	err = h.flush(f)
	if cap(h.buf) > 2*heapWrite {
		h.buf = nil
	}
	return places, err
}

// flush writes what is in buf to the end of f.
func (h *heap) flush(f *heapFile) error {
	if len(h.buf) == 0 {
		return nil
	}
	if _, err := f.file.WriteAt(h.buf, f.size); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f.size += int64(len(h.buf))
	if !f.dirty {
		f.dirty = true
		h.dirty = append(h.dirty, f)
	}
	h.buf = h.buf[:0]
	return nil
}

// sync makes durable what was appended before. After a failure nobody knows what is.
func (h *heap) sync() error {
	h.syncing.Lock()
	defer h.syncing.Unlock()
	h.mu.Lock()
	list, newFile := h.dirty, h.newFile
	h.dirty, h.newFile = nil, false
	for _, f := range list {
		f.dirty = false
	}
	h.mu.Unlock()
	for _, f := range list {
		if err := f.file.Sync(); err != nil {
			return err
		}
	}
	if newFile {
		return syncFile(h.dir)
	}
	return nil
}

func (h *heap) file(id uint32) *heapFile {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.files[id]
}

// readAt fills b from a file.
func (h *heap) readAt(b []byte, id uint32, offset int64) error {
	f := h.file(id)
	if f == nil {
		return fmt.Errorf("%s: %w", h.path(id), errors.Join(kv.Damaged, fs.ErrNotExist))
	}
	if n, err := f.file.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("%s at %d: %w: %w", h.path(id), offset, kv.Damaged, err)
	}
	return nil
}

// check tells whether value is what was written at p.
func (h *heap) check(p place, value []byte) error {
	if crc32.Checksum(value, castagnoli) != p.sum {
		return fmt.Errorf("%s at %d, %d bytes: %w", h.path(p.file), p.offset, p.length, kv.Damaged)
	}
	return nil
}

// read returns a value.
func (h *heap) read(p place) ([]byte, error) {
	if p.length > kv.MaxBytes {
		return nil, fmt.Errorf("%s at %d, %d bytes: %w", h.path(p.file), p.offset, p.length, kv.Damaged)
	}
	value := make([]byte, p.length)
	if err := h.readAt(value, p.file, int64(p.offset)); err != nil {
		return nil, err
	}
	return value, h.check(p, value)
}

// heapUsage is a file that is full, and its bytes.
type heapUsage struct {
	id   uint32
	size int64
}

// full lists the files before the head, ascending.
func (h *heap) full() (list []heapUsage) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for id, f := range h.files {
		if id != h.head {
			list = append(list, heapUsage{id, f.size})
		}
	}
	slices.SortFunc(list, func(a, b heapUsage) int { return int(a.id) - int(b.id) })
	return list
}

// size is the bytes of all files.
func (h *heap) size() (n int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, f := range h.files {
		n += f.size
	}
	return n
}

// remove removes a file that nobody reads any more.
func (h *heap) remove(id uint32) error {
	h.syncing.Lock()
	defer h.syncing.Unlock()
	h.mu.Lock()
	f := h.files[id]
	delete(h.files, id)
	h.dirty = slices.DeleteFunc(h.dirty, func(d *heapFile) bool { return d == f })
	h.mu.Unlock()
	return errors.Join(f.file.Close(), os.Remove(h.path(id)))
}

func (h *heap) close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.files {
		err = errors.Join(err, f.file.Close())
	}
	h.files = nil
	return err
}

// window reads values that lie one behind another with few calls of the system.
type window struct {
	heap *heap
	buf  *[]byte
	file uint32
	from int64 // of what is in buf
	ends int64 // of the last value
	size int64 // to read next, when the next value lies behind
}

const (
	windowFirst = 8 << 10
	windowMost  = 128 << 10
	windowGap   = 16 << 10 // passed over in one read at most
)

var windows = sync.Pool{New: func() any { b := make([]byte, 0, windowMost); return &b }}

// read returns a value, which is valid until the next call.
func (w *window) read(p place) ([]byte, error) {
	at, n := int64(p.offset), int64(p.length)
	if w.buf == nil {
		w.buf = windows.Get().(*[]byte)
		*w.buf = (*w.buf)[:0]
	}
	if p.file != w.file || at < w.from || at+n > w.from+int64(len(*w.buf)) {
		if err := w.load(p.file, at, n); err != nil {
			return nil, err
		}
	}
	w.ends = at + n
	value := (*w.buf)[at-w.from:][:n:n]
	return value, w.heap.check(p, value)
}

// load reads n bytes, and more when values are read one behind another.
func (w *window) load(id uint32, at, n int64) error {
	if n > kv.MaxBytes {
		return fmt.Errorf("%s at %d, %d bytes: %w", w.heap.path(id), at, n, kv.Damaged)
	}
	want := n
	if id == w.file && at >= w.ends && at-w.ends <= windowGap {
		w.size = min(max(2*w.size, windowFirst), windowMost)
		want = max(n, w.size)
	} else {
		w.size = 0
	}
	if f := w.heap.file(id); f != nil && want > n {
		w.heap.mu.RLock()
		want = max(n, min(want, f.size-at))
		w.heap.mu.RUnlock()
	}
	if int64(cap(*w.buf)) < want {
		*w.buf = make([]byte, 0, want)
	}
	*w.buf = (*w.buf)[:want]
	w.file, w.from = id, at
	if err := w.heap.readAt(*w.buf, id, at); err != nil {
		*w.buf = (*w.buf)[:0]
		return err
	}
	return nil
}

// close gives the buffer back: what was read is not valid any more.
func (w *window) close() {
	if w.buf != nil && cap(*w.buf) <= windowMost {
		windows.Put(w.buf)
	}
	w.buf = nil
}
