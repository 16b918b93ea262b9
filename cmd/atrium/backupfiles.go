package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// What a server needs besides its store to be the same for its clients stands behind the store's part of a
// backup, where older releases do not look: a tar archive, its offset in the file (16 digits,
// base 16) and a magic word.
const (
	filesMagic  = "atrium-files 1\n"
	filesFooter = 16 + len(filesMagic)

	mostFile  = 1 << 20 // larger files are none of a server's
	mostFiles = 10_000
)

// keptFiles are the entries of a data folder that a backup has besides the store: certificates and their
// authority, the keys of push, the default domain, by which commands know that there is a store.
var keptFiles = []string{"tls", "push.keys", domainFile}

// configName is the configuration's name in the archive, and in the data folder after a restore.
const configName = "atrium.toml"

// writeFiles puts the archive at the end of a backup.
func writeFiles(f *os.File, data, config string) error {
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	add := func(name string, mode fs.FileMode, content []byte) error {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: int64(mode.Perm()), Size: int64(len(content)), Format: tar.FormatPAX})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	if config != "" {
		if err := add(configName, 0o600, []byte(config)); err != nil {
			return err
		}
	}
	root := os.DirFS(data)
	for _, top := range keptFiles {
		err := fs.WalkDir(root, top, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil || info.Size() > mostFile {
				return err
			}
			content, err := fs.ReadFile(root, path)
			if err != nil {
				return err
			}
			return add(path, info.Mode(), content)
		})
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%016x%s", at, filesMagic)
	return err
}

// readFiles puts the files of a backup into a data folder, those that are not there yet, and returns the names of
// those that it wrote. A backup of an older release has none.
func readFiles(name, data string) (written []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	footer := make([]byte, filesFooter)
	end, err := f.Seek(-int64(filesFooter), io.SeekEnd)
	if err != nil {
		return nil, nil // too short for one
	}
	if _, err := io.ReadFull(f, footer); err != nil {
		return nil, err
	}
	if string(footer[16:]) != filesMagic {
		return nil, nil
	}
	at, err := strconv.ParseInt(string(footer[:16]), 16, 64)
	if err != nil || at < 0 || at > end {
		return nil, fmt.Errorf("%s: its end is damaged: certificates and keys are not restored", name)
	}
	archive := tar.NewReader(io.NewSectionReader(f, at, end-at))
	for range mostFiles {
		h, err := archive.Next()
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, fmt.Errorf("%s: %w", name, err)
		}
		if !kept(h.Name) || h.Size > mostFile || h.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(data, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return written, err
		}
		out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(h.Mode)&0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return written, err
		}
		_, err = io.Copy(out, archive)
		if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
			return written, err
		}
		written = append(written, h.Name)
	}
	return written, nil
}

// kept tells whether a name of an archive may be written into a data folder.
func kept(name string) bool {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:") {
		return false
	}
	top, _, _ := strings.Cut(name, "/")
	for _, k := range keptFiles {
		if top == k {
			return true
		}
	}
	return name == configName
}
